"""A sender under load: many connections, each delivery signed, every answer kept."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tests.canaries import IN_BODY
from tests.signing import signed

# Of a message as it is usual.
CHARACTERS = 400
# Before what was not answered 200 is sent again.
REFUSED_SECONDS = 0.02


@dataclass
class Answers:
    """What a sender was told.

    Args:
        entries: Event id -> every entry id that a 200 named; empty where it was only spooled.
        statuses: How often each status came.
        broken: How many requests had no answer at all.
    """

    entries: dict[str, set[str]] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0

    @property
    def accepted(self) -> int:
        """How many events were answered 200."""
        return len(self.entries)


def body_of(
    event_id: str, event_type: str = "message.new", *, characters: int = CHARACTERS
) -> bytes:
    """Make an event's body, with a text of so many characters."""
    padding = IN_BODY.ljust(characters, "x")
    return (
        f'{{"id":"{event_id}","type":"{event_type}","account_id":"acc_1",'
        f'"created_at":"2026-10-12T09:14:07.512Z","payload":{{"text":"{padding}"}}}}'
    ).encode()


@asynccontextmanager
async def sending(
    url: Callable[[], str],
    *,
    connections: int = 32,
    keep: bool = True,
    name: str = "evt",
    characters: int = CHARACTERS,
    pause_seconds: float = 0.0,
) -> AsyncIterator[Answers]:
    """Send distinct events within the block, each again until it is answered 200.

    At its end what is under way gets its answer, and nothing is sent again.

    Args:
        url: Gives the endpoint's URL.
        connections: How many send at once.
        keep: Connections are kept for the next event; else each has a new one.
        name: What the events' ids begin with.
        characters: How long their texts are.
        pause_seconds: Of each sender after an event, and before it is sent again; for loads that
            go on for long and need not be as heavy as can be.

    Yields:
        The answers as they come.
    """
    stop, answers = asyncio.Event(), Answers()
    ids = (f"{name}_{number:07}" for number in itertools.count())
    bodies = ((event_id, body_of(event_id, characters=characters)) for event_id in ids)
    timeout = aiohttp.ClientTimeout(total=10)
    connector = aiohttp.TCPConnector(limit=connections, force_close=not keep)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        senders = [
            asyncio.create_task(_sender(session, stop, url, bodies, answers, pause_seconds))
            for _ in range(connections)
        ]
        try:
            yield answers
        finally:
            stop.set()
            await asyncio.gather(*senders)


async def _sender(
    session: aiohttp.ClientSession,
    stop: asyncio.Event,
    url: Callable[[], str],
    bodies: Iterator[tuple[str, bytes]],
    answers: Answers,
    pause_seconds: float,
) -> None:
    while not stop.is_set():
        event_id, body = next(bodies)
        while not await deliver(session, url(), event_id, answers, body):
            if stop.is_set():
                return
            await asyncio.sleep(max(REFUSED_SECONDS, pause_seconds))
        if pause_seconds:
            await asyncio.sleep(pause_seconds)


async def deliver(
    session: aiohttp.ClientSession,
    url: str,
    event_id: str,
    answers: Answers,
    body: bytes | None = None,
) -> bool:
    """Send one event once; tell whether it was answered 200."""
    body = body or body_of(event_id)
    try:
        async with session.post(url, data=body, headers=signed(body)) as answer:
            await answer.read()
            answers.statuses[answer.status] = answers.statuses.get(answer.status, 0) + 1
            if answer.status != 200:
                return False
            entry_id = answer.headers.get("relay-entry-id", "")
            answers.entries.setdefault(event_id, set()).add(entry_id)
            return True
    except (aiohttp.ClientError, TimeoutError):
        answers.broken += 1
        return False
