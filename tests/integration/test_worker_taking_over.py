"""A worker process and a real server: what is taken over, of many types, many times."""

import asyncio
from collections import defaultdict

import pytest
from redis.asyncio import Redis

from consumers import Event, GiveUp, Retry
from relay.append import Appender
from tests.consumers.making import (
    KEYS,
    TAG,
    dead_letters,
    due_times,
    histories,
    make_stream,
    read_as,
    strikes,
)
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.making import make_identified
from tests.servers import NAMES_WITH_CLUSTER, Server

pytestmark = [
    pytest.mark.redis,
    pytest.mark.parametrize("server", NAMES_WITH_CLUSTER, indirect=True),
]

TYPES = [f"type.{number}" for number in range(40)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the dead known within moments."""
    monkeypatch.setattr("consumers.heartbeat.BEAT_SECONDS", 0.05)
    monkeypatch.setattr("consumers.heartbeat.DEAD_SECONDS", 0.3)
    monkeypatch.setattr("consumers.sweep.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("consumers.sweep.MIN_IDLE_MS", 0)


async def append_of_each(store: Redis) -> dict[str, str]:
    """Append an event of each type in one script call, and give the entry ids."""
    await store.sadd(KEYS.tags, TAG)
    appender = Appender(store, KEYS)
    identified = [make_identified(f"evt_{name}", name, tag=TAG) for name in TYPES]
    results = await asyncio.gather(*(appender.append(each) for each in identified))
    await appender.stop()
    return {name: result.entry_id for name, result in zip(TYPES, results, strict=True)}


async def test_entries_of_forty_types_with_one_id_are_told_apart_in_every_book(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Read by a process that died, taken over, failed and parked, and at last settled or dead."""
    runs: defaultdict[str, list[int]] = defaultdict(list)

    @handled.worker.on("unipile:type.*", retry=Retry(base_seconds=0.05), concurrency=5)
    async def handle(event: Event) -> None:
        number = int(event.type.partition(".")[2])
        runs[event.type].append(event.attempt)
        if event.attempt <= number % 4:
            raise ValueError(event.type)
        if number % 5 == 0:
            raise GiveUp(event.type)

    entry_ids = await append_of_each(store)
    for name in TYPES:
        await read_as(store, "dead", make_stream(name))
    async with running(handled.worker, server.url):
        for name in TYPES:
            await settled(store, name)
    letters = await dead_letters(store)

    assert len(set(entry_ids.values())) < len(TYPES)
    assert runs == {name: list(range(1, n % 4 + 2)) for n, name in enumerate(TYPES)}
    assert sorted(letter[b"type"].decode() for letter in letters) == sorted(TYPES[::5])
    assert all(letter[b"type"] in letter[b"lasterror"] for letter in letters)
    assert [int(letter[b"attempts"]) for letter in letters] == [
        len(runs[letter[b"type"].decode()]) for letter in letters
    ]
    assert (await due_times(store), await histories(store), await strikes(store)) == ({}, {}, {})
