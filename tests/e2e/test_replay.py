"""A replay whose command is killed: each event is handled again once, by one group only."""

import random
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from relay.contract.connect import connect
from tests.conftest import StartServer
from tests.consumers.making import KEYS, TAG, TYPE, append_events, numbered
from tests.programs import Program, start, worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

EVENTS = numbered(2000)
AGAIN = KEYS.again(TAG, "crm", TYPE)
HANDLERS = """
    import os
    from consumers import Event, Worker

    worker = Worker(group="{group}")
    book = os.open("{group}.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @worker.on("unipile:*", concurrency=50)
    async def handle(event: Event) -> None:
        os.write(book, f"{{event.id}} {{event.attempt}} {{event.entry_id}}\\n".encode())
"""


def handled(directory: Path, group: str) -> Counter[str]:
    """Count the runs of each event, by what the handler saw of it."""
    book = directory / f"{group}.txt"
    return Counter(book.read_text().splitlines() if book.exists() else [])


async def until_handled(directory: Path, group: str, runs: int) -> None:
    """Wait until a group's handler has run so often."""
    await wait_until(
        lambda: handled(directory, group).total() >= runs,
        deadline_seconds=60,
        description=f"{runs} runs of {group}",
    )


def command(directory: Path, server: Server, *arguments: str, name: str) -> Program:
    """Start ``relay replay``."""
    words = ["-m", "relay", "replay", *arguments]
    return start(words, directory, name, REDIS_URL=server.url)


async def facts(store: Redis) -> Any:
    """Say what there is of the copies and of who reads them; nothing where they are gone."""
    pipeline = store.pipeline()
    pipeline.xinfo_stream(AGAIN)
    pipeline.xinfo_groups(AGAIN)
    found = await pipeline.execute(raise_on_error=False)
    if isinstance(found[0], ResponseError):
        assert str(found[0]) == "no such key"
        return None
    return found


async def newest(store: Redis) -> object:
    """Give the id of the newest copy; nothing where the copies are read, and their stream gone."""
    copies = await facts(store)
    return copies[0]["last-generated-id"] if copies else None


async def killed_at_random(program: Program, store: Redis, chance: random.Random) -> None:
    """Kill a replay once it has copied something, and some more."""
    seen, wanted = {await newest(store)}, chance.randint(2, 6)

    async def went_on() -> bool:
        seen.add(await newest(store))
        return len(seen) >= wanted

    await wait_until(went_on, deadline_seconds=60, description="the replay copies")
    assert program.process.poll() is None, program.output()
    program.kill()


async def test_a_replay_that_is_killed_twice_has_each_event_handled_again_once(
    tmp_path: Path, start_server: StartServer
) -> None:
    """By the group that was named, as a first attempt; the other group sees nothing of it."""
    for group in ("crm", "billing"):
        (tmp_path / f"{group}.py").write_text(textwrap.dedent(HANDLERS.format(group=group)))
    server, chance = start_server("valkey", "none"), random.Random(5)
    store = connect(server.url, role="test", connections=20)
    ids = await append_events(store, EVENTS)
    with (
        worker(tmp_path, server.url, "crm:worker", name="crm"),
        worker(tmp_path, server.url, "billing:worker", name="billing"),
    ):
        for group in ("crm", "billing"):
            await until_handled(tmp_path, group, len(EVENTS))
        slow = ("--rate", "1000")
        first = command(tmp_path, server, "crm", *slow, "--yes", name="first")
        await killed_at_random(first, store, chance)
        (name,) = {word for word in first.output().split() if word.startswith("crm:")}
        second = command(tmp_path, server, "--resume", name, *slow, name="second")
        await killed_at_random(second, store, chance)
        third = command(tmp_path, server, "--resume", name, name="third")
        assert third.process.wait(60.0) == 0, third.output()
        await until_handled(tmp_path, "crm", 2 * len(EVENTS))
        await settled(store)
    await store.aclose()
    runs = [f"{event} 1 {entry}" for event, entry in zip(EVENTS, ids, strict=True)]

    assert f"{len(EVENTS)} events were given to crm again." in third.output()
    assert handled(tmp_path, "crm") == Counter(2 * runs)
    assert handled(tmp_path, "billing") == Counter(runs)


async def settled(store: Redis) -> None:
    """Wait until everything that was given again is read and settled."""

    async def done() -> bool:
        copies = await facts(store)
        if copies is None:
            return True
        stream, (group,) = copies
        is_read = group["last-delivered-id"] == stream["last-generated-id"]
        return is_read and not group["pending"]

    await wait_until(done, description="copies are settled")
