"""An outcome that comes late, or that the store does not simply take."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import settle
from consumers.entry import HeldEntry
from consumers.retry import Acknowledge, Decision, SetAside, TryAgain
from consumers.rooms import Room
from relay.contract.connect import RedisError, ResponseError
from relay.contract.wire import Command, Wire
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    US,
    dead_letters,
    due_times,
    full,
    histories,
    in_books,
    make_stream,
    pending,
)
from tests.consumers.settling import SET_ASIDE, Act, Scene, park, set_aside, unless_in_cluster
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()


# --- an entry that is no longer ours


async def taken_over(scene: Scene) -> None:
    """Another worker took the entry over."""
    await scene.store.xclaim(STREAM.key, GROUP, "other", 0, [scene.entry.entry_id])


async def parked_meanwhile(scene: Scene) -> None:
    """Another worker took the entry over, and it failed there."""
    await scene.store.xclaim(STREAM.key, GROUP, "@park", 0, [scene.entry.entry_id])


async def settled_meanwhile(scene: Scene) -> None:
    """Another worker took the entry over and handled it."""
    await scene.store.xack(STREAM.key, GROUP, scene.entry.entry_id)


async def group_destroyed(scene: Scene) -> None:
    """Somebody removed the group."""
    await scene.store.xgroup_destroy(STREAM.key, GROUP)
    await scene.store.xgroup_create(STREAM.key, GROUP, id="0")


async def stream_deleted(scene: Scene) -> None:
    """Somebody deleted the stream; the group that the test looks at is one of a new stream."""
    await scene.store.delete(STREAM.key)
    await scene.store.xgroup_create(STREAM.key, GROUP, id="0", mkstream=True)


@pytest.mark.parametrize("act", [park, set_aside])
@pytest.mark.parametrize(
    "event", [taken_over, parked_meanwhile, settled_meanwhile, group_destroyed, stream_deleted]
)
async def test_a_late_failure_writes_nothing(scene: Scene, event: Act, act: Act) -> None:
    """What became of the entry meanwhile counts; the outcome is logged and dropped."""
    await event(scene)
    before = await scene.state()
    with capture_logs() as logs:
        await act(scene)

    assert await scene.state() == before
    assert [line["event"] for line in logs] == ["outcome_late"]


async def test_a_late_failure_gives_its_place_back(scene: Scene) -> None:
    """The entry is another worker's; this one reads on."""
    await taken_over(scene)
    await scene.settler.settle(scene.entry, scene.room, TryAgain(0, "x"))

    assert scene.room.free == 110


async def test_a_late_success_counts_whoever_holds_the_entry(scene: Scene) -> None:
    """The event is handled; running it once more elsewhere would help nobody."""
    await taken_over(scene)
    await scene.settler.settle(scene.entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert await pending(scene.store) == {}


# --- books that somebody made into something else


@pytest.mark.parametrize(
    ("act", "book"),
    [
        (park, KEYS.park(TAG, GROUP)),
        (park, KEYS.attempts(TAG, GROUP)),
        (set_aside, KEYS.dead(TAG, GROUP)),
        (set_aside, KEYS.attempts(TAG, GROUP)),
    ],
)
async def test_a_wrong_type_is_found_before_anything_is_written(
    scene: Scene, act: Act, book: str
) -> None:
    """The entry stays ours and pending, so that it can be settled when the books are mended."""
    await scene.store.set(book, "not a book")
    acting = asyncio.create_task(_once(act, scene))
    message = await acting

    assert message.startswith("WRONGTYPE")
    assert book in message
    assert await pending(scene.store) == {scene.entry.entry_id: US}
    await scene.store.delete(book)
    assert await scene.state() == ({scene.entry.entry_id: US}, {}, {}, [])


async def _once(act: Act, scene: Scene) -> str:
    """Act without the repeating, and give the store's answer."""

    async def step(entry: HeldEntry, room: Room, action: Callable[[], Awaitable[object]]) -> None:
        await action()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.settler, "_store", step)
        with pytest.raises(ResponseError) as caught:
            await act(scene)
    return str(caught.value)


# --- a full server


async def test_a_full_server_takes_a_parked_entry(scene: Scene) -> None:
    """The script's first write is one that is never refused, and then the rest passes."""
    async with full(scene.store):
        assert await asyncio.wait_for(park(scene), 10)

    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}
    assert list(await due_times(scene.store)) == [in_books(scene.entry.entry_id)]
    assert list(await histories(scene.store)) == [in_books(scene.entry.entry_id)]


async def test_a_full_server_takes_a_dead_letter(scene: Scene) -> None:
    """Otherwise the worker would stand still with its slots full of failures."""
    async with full(scene.store):
        await asyncio.wait_for(set_aside(scene), 10)

    assert await pending(scene.store) == {}
    assert len(await dead_letters(scene.store)) == 1


async def test_a_full_server_takes_an_acknowledgement(scene: Scene) -> None:
    """The backlog shrinks, so that what is settled can be trimmed."""
    async with full(scene.store):
        await scene.settler.settle(scene.entry, scene.room, Acknowledge())
        await scene.settler.flush()

    assert await pending(scene.store) == {}


# --- a store that is away


@pytest.mark.parametrize(
    "decision", [Acknowledge(), TryAgain(60.0, "x"), SET_ASIDE], ids=["ack", "park", "dead"]
)
async def test_an_outcome_waits_for_a_store_that_is_away(
    scene: Scene,
    server: Server,
    decision: Decision,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handler has run; only storing its outcome is repeated, until it is stored."""
    refused = 0
    pool: Any = scene.store.connection_pool
    real = pool.get_connection

    async def away(*arguments: object) -> object:
        nonlocal refused
        refused += 1
        if refused <= 2:
            raise RedisConnectionRefused
        return await real(*arguments)

    monkeypatch.setattr(pool, "get_connection", away)
    with capture_logs() as logs:
        await scene.settler.settle(scene.entry, scene.room, decision)
        await scene.settler.flush()

    assert scene.room.free == 110
    assert (await pending(scene.store)).get(scene.entry.entry_id) != US
    assert [line["event"] for line in logs].count("settling_waits_for_store") == 1


class RedisConnectionRefused(RedisError):
    """Nobody listens."""


@pytest.mark.parametrize("decision", [TryAgain(0.0, "E"), SetAside("gave_up", "E")])
async def test_a_refused_outcome_frees_the_lane_and_is_stored_when_it_can_be(
    scene: Scene, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One endpoint's broken books must not hold the lanes of all the others."""
    monkeypatch.setattr(settle, "REFUSED_PAUSE_SECONDS", 0.01)
    await scene.store.set(KEYS.attempts(TAG, GROUP), "not a book")
    with capture_logs() as logs:
        await asyncio.wait_for(scene.settler.settle(scene.entry, scene.room, decision), 5)
        held = scene.room.free
        await scene.store.delete(KEYS.attempts(TAG, GROUP))
        await wait_until(lambda: scene.room.free > held, description="it is stored")

    assert [line["event"] for line in logs].count("settling_refused") == 1
    assert (await pending(scene.store)).get(scene.entry.entry_id) != US


@pytest.mark.parametrize("decision", [TryAgain(0.0, "E"), SetAside("gave_up", "E")])
async def test_an_outcome_is_stored_although_its_task_is_cancelled(
    scene: Scene, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler may have left something behind that cancels the task just then."""
    begun = asyncio.Event()

    async def hang(step: Callable[[], Awaitable[object]]) -> object:
        monkeypatch.undo()
        begun.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(settle, "persist", hang)
    held = scene.room.free
    lane = asyncio.create_task(scene.settler.settle(scene.entry, scene.room, decision))
    await begun.wait()
    lane.cancel()
    await wait_until(lambda: scene.room.free > held, description="it is stored")

    assert lane.cancelled()
    assert (await pending(scene.store)).get(scene.entry.entry_id) != US


async def test_a_refused_acknowledgement_is_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy store must not leave an entry pending under a consumer that has forgotten it."""
    unless_in_cluster(scene.store)
    real = Wire.exchange
    refused: list[bool] = []

    async def busy_once(self: Wire, commands: Sequence[Command]) -> list[Any]:
        if refused:
            return await real(self, commands)
        refused.append(True)
        return [ResponseError("BUSY Redis is busy running a script")]

    monkeypatch.setattr(Wire, "exchange", busy_once)
    await scene.settler.settle(scene.entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert refused == [True]
    assert await pending(scene.store) == {}


async def test_acknowledgements_that_are_refused_as_one_keep_no_places(scene: Scene) -> None:
    """As where a single one is refused: it is said, and what comes later is sent."""
    entry = scene.with_history(1, "ValueError: first")
    await scene.store.execute_command("ACL", "SETUSER", "default", "-hdel")
    try:
        with capture_logs() as logs:
            await scene.settler._send_acks_of_tag([(entry, scene.room)])
    finally:
        await scene.store.execute_command("ACL", "SETUSER", "default", "+@all")

    assert [line["event"] for line in logs] == ["ack_refused"]
    assert len(await pending(scene.store)) == 1
