"""Refusals put into the log as a gateway puts them there, for tests of what reads it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from relay.contract.connect import connect
from relay.contract.entry import decode
from relay.contract.event import Event
from relay.contract.keys import Keys
from relay.rejections import Rejection, RejectionLog, rejection_of
from relay.settings import Settings, build_endpoints
from tests.servers import Server
from tests.signing import SECRET, signed

KEYS = Keys()
BODY = b'{"id":"evt_1","type":"message.new","account_id":"acc_1","payload":{"text":"hidden-words"}}'
FILE = """
[redis]
url = "{url}"
[endpoints.unipile]
provider = "unipile"
secrets = [{{ env = "UNIPILE_WEBHOOK_SECRET" }}]
{more}
"""


class Uncounted:
    """Counts nothing."""

    def rejection(self, endpoint: str, state: str, rows: int = 1) -> None:
        """Do nothing."""


def now_ms() -> int:
    """Give the time."""
    return time.time_ns() // 1_000_000


def row(
    body: bytes | None = BODY,
    headers: dict[str, str] | None = None,
    **said: Any,
) -> Rejection:
    """Make a row of a delivery to the endpoint ``unipile``, signed rightly but for what is said."""
    sent = signed(body or b"", secret=SECRET) if headers is None else headers
    settings = Settings.load({"UNIPILE_WEBHOOK_SECRET": SECRET}, {})
    endpoint = build_endpoints(settings, {"UNIPILE_WEBHOOK_SECRET": SECRET})["unipile"]
    usual: dict[str, Any] = {
        "received_at_ms": now_ms(),
        "request_id": "0123456789ab-1",
        "reason": "signature_mismatch",
        "client": "203.0.113.9",
    }
    raw = [
        (name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in sent.items()
    ]
    return rejection_of(endpoint, raw, body=body, **(usual | said))


async def keep(redis: Redis, *rows: Rejection) -> list[str]:
    """Write rows one by one, and give their IDs."""
    settings = Settings.load({"UNIPILE_WEBHOOK_SECRET": SECRET}, {})
    endpoint = build_endpoints(settings, {"UNIPILE_WEBHOOK_SECRET": SECRET})["unipile"]
    found = []
    for each in rows:
        log = RejectionLog(redis, KEYS, ["unipile"], is_full=lambda: False, counts=Uncounted())
        log.note(endpoint, each)
        # Within one second a few of each reason are kept; this is about as many as a test wants.
        await redis.hdel(KEYS.rejected_books("unipile"), "second", "counts")
        await log.flush()
        ((entry_id, _),) = await redis.xrevrange(KEYS.rejected("unipile"), count=1)
        found.append(f"unipile/{entry_id.decode()}")
    await redis.sadd(KEYS.tags, "unipile")
    return found


def kept(server: Server, *rows: Rejection) -> list[str]:
    """Do the same from a test that has no loop."""

    async def write() -> list[str]:
        redis = connect(server.url, role="test")
        try:
            return await keep(redis, *rows)
        finally:
            await redis.aclose()

    return asyncio.run(write())


def ask(server: Server, *command: str | bytes | int) -> Any:
    """Run a command of Redis."""

    async def run() -> Any:
        redis = connect(server.url, role="test")
        try:
            return await redis.execute_command(*command)
        finally:
            await redis.aclose()

    return asyncio.run(run())


def events(server: Server, event_type: str = "message.new") -> Sequence[Event]:
    """Give the events of a stream."""
    raw = ask(server, "XRANGE", KEYS.stream("unipile", event_type), "-", "+")
    return [
        decode(dict(zip(f[::2], f[1::2], strict=True)) if isinstance(f, list) else f)
        for _, f in raw
    ]
