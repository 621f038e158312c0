"""An endpoint from an empty directory to its first event, as the commands say."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.commands import app
from tests.conftest import StartServer
from tests.programs import gateway
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def relay(*arguments: str) -> Result:
    """Run a command beside what is running."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


async def test_an_endpoint_is_added_served_tried_and_sent_to(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial stores nothing and proves the secret; the example is stored."""
    server, path = start_server("valkey"), tmp_path / "shop.secret"
    path.write_text(f"{SECRET}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RELAY_CONFIG", raising=False)
    options = ("--provider", "standard-webhooks", "--secret-file", str(path))
    added = await relay("endpoints", "add", "shop", *options)
    with gateway(tmp_path, server.url) as program:
        url = ("--url", f"http://127.0.0.1:{program.port}")
        tried = await relay("endpoints", "test", "shop", *url, "--json")
        with server.client() as client:
            stored = list(client.scan_iter("relay:{shop}:*"))
        path.write_text("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA==\n")
        mistaken = await relay("endpoints", "test", "shop", *url)
        path.write_text(f"{SECRET}\n")
        sent = await relay("endpoints", "test", "shop", *url, "--send")

        async def receives() -> bool:
            shown = await relay("endpoints", "show", "shop", "--redis-url", server.url, "--json")
            said = json.loads(shown.stdout)
            return bool(said["state"] == "receiving" and said["secret"] == f"file:{path}")

        await wait_until(receives, description="the endpoint is shown as receiving")

    proofs = [step["proves"] for step in json.loads(tried.stdout)["steps"]]
    assert (added.exit_code, tried.exit_code, mistaken.exit_code, sent.exit_code) == (0, 0, 1, 0)
    assert proofs == ["", "", f"file:{path}"]
    assert stored == []
    assert "has not the secret that is here" in mistaken.stdout
    assert "is taken: stored" in sent.stdout
