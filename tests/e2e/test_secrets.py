"""A secret that comes by a handshake, from the sender's first request to its first event."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relay.commands import app
from tests.conftest import StartServer
from tests.e2e.test_reload import reloaded
from tests.programs import GatewayProgram, gateway
from tests.relay.handshake.trying import Headers, notion

pytestmark = pytest.mark.e2e

SECRET = "secret_of_notion_itself_0001"
FILE = """
[endpoints.notion]
provider = "notion"
secrets = [{{ file = "{secret}" }}]
"""
EVENT = json.dumps({"id": "evt-1", "type": "page.created"}).encode()


def status(program: GatewayProgram, body: bytes, headers: Headers) -> int:
    """Send a request to the endpoint, and give the status."""
    url = f"http://127.0.0.1:{program.port}/webhooks/notion"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_a_secret_is_offered_accepted_and_taken_over(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the guide says: its file is not there at first, and counts as soon as it is."""
    server, path = start_server("valkey"), tmp_path / "notion.secret"
    (tmp_path / "relay.toml").write_text(FILE.format(secret=path))
    monkeypatch.chdir(tmp_path)
    with gateway(tmp_path, server.url) as program:
        offered = status(program, json.dumps({"verification_token": SECRET}).encode(), {})
        before = status(program, EVENT, notion(EVENT, SECRET))
        accept = ["secrets", "accept", "notion", "--redis-url", server.url]
        accepted = await asyncio.to_thread(CliRunner().invoke, app, accept)
        await reloaded(program, 1)
        after = status(program, EVENT, notion(EVENT, SECRET))

        assert (offered, before, accepted.exit_code, after) == (200, 401, 0, 200)
        assert "secret_pending" in program.output()
        assert SECRET not in program.output()
