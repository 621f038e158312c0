"""A stand-in Unipile with a long log, and events that lie in every place here, for `reconcile`."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

from relay.contract.display import time_text
from relay.contract.entry import encode
from relay.contract.event import IdentifiedEvent
from relay.rejections.accepted import Acceptance, note_acceptance
from relay.spool.directory import Directory
from relay.spool.file import Changes
from relay.spool.open_file import Taken
from relay.spool.row import Row
from relay.spool.row import encode as encode_row
from relay.spool.taking import Taking
from relay.unipile.api import open_api
from relay.unipile.stand_in import StandIn
from tests.integration.gateways import Running, running
from tests.making import make_event, make_identified
from tests.relay.appending import KEYS, make_bench
from tests.relay.commands.rejecting import keep, now_ms, row
from tests.servers import Server

KEY = "key-of-the-application"
NOWHERE = "http://127.0.0.1:1/webhooks/unipile"
TYPES = ["message.new", "email.new", "chat.update", "message.delete"]
WINDOW_SECONDS = 72 * 3600
HOUR = 3_600_000
# Of a type alone; by the body, which cannot be told; to another type.
FILTERS = """
[[endpoints.unipile.filters]]
types = ["unipile:chat.*"]
[[endpoints.unipile.filters]]
types = ["unipile:email.*"]
pointer = "/payload/origin"
equals = "own"
[[endpoints.unipile.filters]]
pointer = "/payload/is_sender"
equals = true
then = "divert"
to = "message.own"
"""
TOML = """
[redis]
url = "{url}"
[spool]
directory = "spool"
[endpoints.unipile]
provider = "unipile"
secrets = [{{ file = "first" }}, {{ file = "second" }}]
{more}
"""


def attempt(
    event_id: str, at_ms: int, status: int | None, event_type: str = "message.new", **more: Any
) -> dict[str, Any]:
    """Give an attempt as it is planted."""
    fields = {"event_id": event_id, "event_type": event_type, "http_status": status}
    return {**fields, "created_at": time_text(at_ms), **more}


def failures(
    event_id: str,
    event_type: str = "message.new",
    statuses: Sequence[int | None] = (503, 503, None),
    ago_ms: int = HOUR,
) -> list[dict[str, Any]]:
    """Give the attempts of an event of which each failed, some minutes apart."""
    begun = now_ms() - ago_ms
    return [
        attempt(event_id, begun + 60_000 * n, status, event_type, first_attempt=n == 0)
        for n, status in enumerate(statuses)
    ]


def delivered(events: int) -> list[dict[str, Any]]:
    """Give the attempts of events that were delivered in the end, over the last 40 hours."""
    rng, found = random.Random(7), []
    for number in range(events):
        begun, name = now_ms() - HOUR // 2 - rng.randrange(40 * HOUR), f"evt_fine{number}"
        failed = rng.choice([0, 0, 1, 2, 6])
        found += [
            attempt(name, begun + 20_000 * n, 503, first_attempt=n == 0) for n in range(failed)
        ]
        found.append(attempt(name, begun + 20_000 * failed, 200, first_attempt=not failed))
    return found


@dataclass
class Field:
    """What a test has: a stand-in with two endpoints, and a gateway to which the first sends."""

    unipile: StandIn
    gateway: Running
    directory: Path
    first: str
    second: str
    taken: list[Taken] = field(default_factory=list)

    @property
    def store(self) -> Redis:
        """A client of the gateway's store."""
        return self.gateway.store

    def plant(self, *attempts: dict[str, Any], second: bool = False) -> None:
        """Add attempts to the log of an endpoint."""
        self.unipile.plant(self.second if second else self.first, attempts)

    async def append(self, *events: IdentifiedEvent) -> None:
        """Append as the gateway does."""
        bench = make_bench(self.store)
        await bench.append(*events)
        await bench.appender.stop()

    async def put(self, event_type: str, event_id: str, **changes: Any) -> None:
        """Write an entry that no index knows, of half an hour ago."""
        fields: Any = encode(make_event(id=event_id, type=event_type, **changes))
        entry = dict(zip(fields[::2], fields[1::2], strict=True))
        key = KEYS.stream("unipile", event_type)
        await self.store.xadd(key, entry, id=f"{now_ms() - HOUR}-*")

    def spool(self, *ids: str) -> None:
        """Leave events in a spool file that a living process has."""
        taken = Taking(Directory(self.directory / "spool")).make()
        rows = [
            Row(n, ("unipile", "message.new"), encode_row(make_identified(name)), now_ms())
            for n, name in enumerate(ids, 1)
        ]
        taken.file.write(Changes(kept=rows))
        self.taken.append(taken)

    async def refuse(self, event_id: str, *, accepted: bool = False, account: str = "acc_7") -> str:
        """Have a row of the refusal log hold an event; give its ID."""
        body = b'{"id":"%s","type":"message.new","account_id":"%s","payload":{}}' % (
            event_id.encode(),
            account.encode(),
        )
        (name,) = await keep(self.store, row(body))
        if accepted:
            said = Acceptance(
                at_ms=now_ms(),
                event_id=event_id,
                entry_id="1-1",
                outcome="stored",
                assurance="body",
            )
            await note_acceptance(
                self.store, KEYS, "unipile", name.partition("/")[2], said, WINDOW_SECONDS
            )
        return name


@asynccontextmanager
async def planted(server: Server, directory: Path, more: str = FILTERS) -> AsyncIterator[Field]:
    """Have all of it within the block, and ``relay.toml`` with the secrets in a directory."""
    (directory / "spool").mkdir()
    # The gateway runs in this process, where a command's output is caught: it must not log into it.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    async with StandIn(KEY, retry_seconds=(0.01,)) as unipile:
        made = [unipile.add_endpoint(NOWHERE, TYPES, accounts) for accounts in ((), ())]
        for name, one in zip(("first", "second"), made, strict=True):
            (directory / name).write_text(one.secret)
        (directory / "relay.toml").write_text(TOML.format(url=server.url, more=more))
        secrets = [{"file": str(directory / name)} for name in ("first", "second")]
        async with running(server, endpoint={"secrets": secrets}) as gateway:
            url = f"http://127.0.0.1:{gateway.port}/webhooks/unipile"
            async with open_api(unipile.url, KEY) as api:
                await api.update_endpoint(made[0].id, {"url": url, "account_ids": []})
                # It has a log, and no attempts but those that are planted.
                await api.update_endpoint(made[1].id, {"enabled": False, "account_ids": []})
            there = Field(unipile, gateway, directory, made[0].id, made[1].id)
            yield there
            for taken in there.taken:
                taken.file.close()
                taken.lock.release()
