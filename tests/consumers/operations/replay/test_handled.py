"""What a handler sees of a replay."""

import pytest
from redis.asyncio import Redis

from consumers import Event, Retry, Worker
from tests.consumers.making import GROUP, TAG, append_events, dead_letters
from tests.consumers.operations.replay.making import replayed
from tests.consumers.working import running
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


async def test_a_handler_sees_the_same_event_again_as_a_first_attempt(
    store: Redis, server: Server
) -> None:
    """With the same entry id and identity; steps that are done stay done."""
    worker, seen, charged = Worker(group=GROUP), list[tuple[object, ...]](), list[str]()

    async def charge(event: Event) -> None:
        charged.append(event.id)

    @worker.on(f"{TAG}:*", order_by="account")
    async def handle(event: Event) -> None:
        await event.once("charge").run(charge, event)
        seen.append((event.id, event.entry_id, event.identity, event.attempt))

    (entry_id,) = await append_events(store, ["evt_1"])
    async with running(worker, server.url):
        await wait_until(lambda: len(seen) == 1, description="handled")
        await replayed(store)
        await wait_until(lambda: len(seen) == 2, description="handled again")

    assert seen[0] == seen[1]
    assert seen[1][:2] == ("evt_1", entry_id)
    assert (seen[1][3], charged) == (1, ["evt_1"])


async def test_a_replayed_event_that_fails_is_a_dead_letter_of_its_own(
    store: Redis, server: Server
) -> None:
    """Its attempts begin anew; its letter says where the event stood."""
    worker, runs = Worker(group=GROUP), 0

    @worker.on(f"{TAG}:*", retry=Retry(attempts=2, base_seconds=0.01))
    async def handle(event: Event) -> None:
        nonlocal runs
        runs += 1
        if runs > 1:
            raise ValueError

    (entry_id,) = await append_events(store, ["evt_1"])
    async with running(worker, server.url):
        await wait_until(lambda: runs == 1, description="handled")
        await replayed(store)

        async def set_aside() -> bool:
            return bool(await dead_letters(store))

        await wait_until(set_aside, description="set aside")

    (letter,) = await dead_letters(store)
    assert (letter[b"entryid"], letter[b"attempts"]) == (entry_id.encode(), b"2")
    assert runs == 3
