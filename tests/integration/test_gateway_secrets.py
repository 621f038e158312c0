"""Two gateways over one store: which secret proved what is one book, and each one's metrics."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from relay.contract.keys import Keys
from relay.usage import read_usage, write
from tests.integration.gateways import Running, body_of, running
from tests.servers import Server
from tests.signing import SECRET, signature, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

NEW = "wes_newsecret_0000000000000000000"
VARIABLE = "env:UNIPILE_WEBHOOK_SECRET"


def section(path: Path, **times: str) -> dict[str, Any]:
    """Give an endpoint's secrets: a new one in a file, and the old one."""
    path.write_text(f"{NEW}\n")
    return {"secrets": [{"file": str(path)}, {"env": "UNIPILE_WEBHOOK_SECRET", **times}]}


def signed_by_both(body: bytes) -> dict[str, str]:
    """Sign as a sender does that has both secrets, the old one first."""
    at = int(time.time())
    old, new = signature(body, at), signature(body, at, NEW)
    return {"unipile-signature": f"t={at},v0={old},v0={new}"}


async def scrape(gateway: Running) -> dict[str, float]:
    """Give what a gateway counts of its secrets, by their names."""
    text = gateway.gateway.metrics.text().decode()
    rows = [line for line in text.splitlines() if line.startswith("relay_secret_verified_total{")]
    return {row.split('secret="')[1].split('"')[0]: float(row.split()[-1]) for row in rows}


async def test_what_two_gateways_have_proved_is_one_book(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By either secret; what both have signed counts for the newer one."""
    monkeypatch.setattr(write, "FLUSH_SECONDS", 0.02)
    endpoint = section(tmp_path / "new.secret")
    new = f"file:{tmp_path / 'new.secret'}"
    async with (
        running(server, endpoint=endpoint) as one,
        running(server, endpoint=endpoint) as other,
    ):
        for number, gateway in enumerate((one, other)):
            body = body_of(f"evt_{number}")
            answers = [
                await gateway.send(body),
                await gateway.send(body, signed(body, secret=NEW)),
                await gateway.send(body, signed_by_both(body)),
                await gateway.send(body, signed(body, secret="wes_of_nobody")),
            ]
            assert [answer.status for answer in answers] == [200, 200, 200, 401]

        async def outcomes() -> int:
            usage = await read_usage(one.store, Keys(), "unipile")
            return sum(each.count for each in usage.outcomes.values())

        async def is_written() -> bool:
            return await outcomes() == 8

        await wait_until(is_written, description="both have written what they counted")
        usage = await read_usage(one.store, Keys(), "unipile")
        assert {each.name: each.used.count for each in usage.secrets} == {VARIABLE: 2, new: 4}
        metrics = await asyncio.gather(scrape(one), scrape(other))

        assert {name: each.count for name, each in usage.outcomes.items()} == {
            "stored": 2,
            "duplicate": 4,
            "signature_mismatch": 2,
        }
        assert [len(each.fingerprints) for each in usage.held] == [2]
        assert list(metrics) == [{VARIABLE: 1.0, new: 2.0}] * 2


async def test_a_secret_that_is_over_is_refused_and_credited_with_nothing(
    server: Server, tmp_path: Path
) -> None:
    """The rest goes on, and what ends writes what it has counted."""
    endpoint = section(tmp_path / "new.secret", not_after="2001-01-01T00:00:00Z")
    body = body_of("evt_1")
    async with running(server, endpoint=endpoint) as gateway:
        refused = await gateway.send(body)
        both = await gateway.send(body, signed_by_both(body))
    async with running(server, endpoint=endpoint) as gateway:
        usage = await read_usage(gateway.store, Keys(), "unipile")

    assert (refused.status, both.status) == (401, 200)
    assert [(each.name, each.used.count) for each in usage.secrets] == [
        (f"file:{tmp_path / 'new.secret'}", 1)
    ]
    assert usage.outcomes["signature_mismatch"].count == 1
    assert SECRET not in repr(usage)
