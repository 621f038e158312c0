"""Refusals put into the log as a gateway puts them there, for tests of what reads it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from relay.contract.connect import connect
from relay.contract.entry import decode
from relay.contract.event import Event
from relay.contract.keys import Keys
from relay.endpoint import Endpoint
from relay.rejections import Rejection, RejectionLog, rejection_of
from relay.settings import Settings, build_endpoints
from tests.clusters import SixNodes
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


@dataclass
class Room:
    """How much a store has."""

    is_short: bool = False
    is_full: bool = False


class Uncounted:
    """Counts nothing."""

    def rejection(self, endpoint: str, state: str, rows: int = 1) -> None:
        """Do nothing."""


def now_ms() -> int:
    """Give the time."""
    return time.time_ns() // 1_000_000


def endpoint_of(name: str, **table: Any) -> Endpoint:
    """Make an endpoint of the sender after which it is called."""
    section = {"provider": name, "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}], **table}
    environ = {"UNIPILE_WEBHOOK_SECRET": SECRET}
    return build_endpoints(Settings.load(environ, {"endpoints": {name: section}}), environ)[name]


def row(
    body: bytes | None = BODY,
    headers: dict[str, str] | None = None,
    name: str = "unipile",
    **said: Any,
) -> Rejection:
    """Make a row of a delivery to the endpoint ``unipile``, signed rightly but for what is said."""
    sent = signed(body or b"", secret=SECRET) if headers is None else headers
    usual: dict[str, Any] = {
        "received_at_ms": now_ms(),
        "request_id": "0123456789ab-1",
        "reason": "signature_mismatch",
        "client": "203.0.113.9",
    }
    raw = [
        (name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in sent.items()
    ]
    return rejection_of(endpoint_of(name), raw, body=body, **(usual | said))


async def keep(redis: Redis, *rows: Rejection) -> list[str]:
    """Write rows one by one, and give their IDs."""
    found = []
    for each in rows:
        name = each.endpoint
        log = RejectionLog(
            redis,
            KEYS,
            [name],
            compare=lambda _, row: row.compared,
            room=Room(),
            counts=Uncounted(),
        )
        log.note(endpoint_of(name), each)
        # Within one second a few of each reason are kept; this is about as many as a test wants.
        await redis.hdel(KEYS.rejected_books(name), "second", "counts")
        await log.flush()
        newest: Any = await redis.xrevrange(KEYS.rejected(name), count=1)
        ((entry_id, _),) = newest
        found.append(f"{name}/{entry_id.decode()}")
        await redis.sadd(KEYS.tags, name)
    return found


def kept(server: Server | SixNodes, *rows: Rejection) -> list[str]:
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


def events(server: Server, event_type: str = "message.new") -> list[Event]:
    """Give the events of a stream."""
    entries = ask(server, "XRANGE", KEYS.stream("unipile", event_type), "-", "+")
    return [decode(fields) for _, fields in entries]
