"""What the store holds after an outcome was stored: state before, act, state after."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import settle
from consumers.entry import HeldEntry, History, read_history, written
from consumers.retry import Acknowledge, Decision, SetAside, TryAgain
from consumers.rooms import Room
from consumers.scripts import Script
from consumers.settle import Settler
from relay.contract.connect import RedisError, ResponseError
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    US,
    append_events,
    consumers_of,
    dead_letters,
    due_times,
    fields_for,
    full,
    histories,
    in_books,
    make_entry,
    make_room,
    make_stream,
    now_ms,
    pending,
    read_as,
)
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
SET_ASIDE = SetAside("attempts_spent", "ValueError: last")
leave = Script("leave")


@dataclass
class Scene:
    """An entry that is pending under us, and everything needed to settle it.

    Args:
        store: A client.
        settler: Settles under our name.
        room: Holds the entry's place.
        entry: The entry.
    """

    store: Redis
    settler: Settler
    room: Room
    entry: HeldEntry

    async def state(self) -> tuple[Any, ...]:
        """Give everything that settling could change."""
        return (
            await pending(self.store),
            await due_times(self.store),
            await histories(self.store),
            await dead_letters(self.store),
        )

    def with_history(self, attempts: int, first_error: str) -> HeldEntry:
        """Give the entry as it is after failed attempts."""
        entry = self.entry
        return make_entry(
            entry.entry_id,
            fields=dict(entry.fields),
            history=History(attempts, first_error),
        )


@pytest.fixture
async def scene(store: Redis) -> Scene:
    """One event, read by us."""
    (entry_id,) = await append_events(store, ["evt_1"])
    await read_as(store, US)
    room = make_room()
    entry = make_entry(entry_id, fields=fields_for("evt_1"))
    room.put(entry)
    return Scene(store, Settler(store, KEYS, GROUP, US), room, entry)


Act = Callable[[Scene], Awaitable[Any]]


async def park(scene: Scene) -> bool:
    """Park the entry after a failure."""
    return await scene.settler.park(scene.entry, 1.5, "ValueError: x")


async def set_aside(scene: Scene) -> None:
    """Move the entry to the dead letters."""
    await scene.settler.settle(scene.entry, scene.room, SET_ASIDE)


# --- park


async def test_a_parked_entry_waits_in_the_store_under_a_name_of_its_own(scene: Scene) -> None:
    """It stays pending, so that nothing trims it; due time and history are in the books."""
    earliest = await now_ms(scene.store) + 1500
    assert await park(scene)
    latest = await now_ms(scene.store) + 1500
    name = in_books(scene.entry.entry_id)
    due = await due_times(scene.store)

    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}
    assert list(due) == [name]
    assert earliest <= due[name] <= latest
    assert {key: read_history(value) for key, value in (await histories(scene.store)).items()} == {
        name: History(1, "ValueError: x")
    }


async def test_a_second_failure_adds_to_the_history(scene: Scene) -> None:
    """The first error stays what it was."""
    entry = scene.with_history(2, "KeyError: first")
    await scene.settler.park(entry, 0, "ValueError: x")
    (value,) = (await histories(scene.store)).values()

    assert read_history(value) == History(3, "KeyError: first")


async def test_an_entry_that_is_handed_back_keeps_its_history(scene: Scene) -> None:
    """It was no attempt; the others have it at once."""
    before = written(History(2, "KeyError: first")).decode()
    name = in_books(scene.entry.entry_id)
    await scene.store.hset(KEYS.attempts(TAG, GROUP), name, before)
    await scene.settler.park(scene.entry, 0, None)

    assert await histories(scene.store) == {name: before.encode()}
    assert (await due_times(scene.store))[name] <= await now_ms(scene.store)


async def test_parking_gives_the_place_back(scene: Scene) -> None:
    """The entry is in the store's hands now."""
    await scene.settler.settle(scene.entry, scene.room, TryAgain(60.0, "ValueError: x"))

    assert scene.room.free == 110
    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}


async def test_an_error_that_no_text_can_hold_is_parked_all_the_same(scene: Scene) -> None:
    """What UTF-8 cannot write is replaced."""
    assert await scene.settler.park(scene.entry, 0, "ValueError: \ud83d")
    (value,) = (await histories(scene.store)).values()

    assert read_history(value) == History(1, "ValueError: ?")


# --- dead letters


async def test_a_dead_letter_holds_the_event_and_what_happened_to_it(scene: Scene) -> None:
    """Nothing of the entry stays behind in the group's books."""
    entry = scene.with_history(7, "KeyError: first")
    await scene.store.hset(KEYS.attempts(TAG, GROUP), entry.member, written(entry.history).decode())
    await scene.settler.settle(entry, scene.room, SET_ASIDE)
    state = await scene.state()

    assert state == (
        {},
        {},
        {},
        [
            dict(entry.fields)
            | {
                b"entryid": entry.entry_id.encode(),
                b"reason": b"attempts_spent",
                b"attempts": b"8",
                b"lasterror": b"ValueError: last",
                b"firsterror": b"KeyError: first",
            }
        ],
    )
    assert scene.room.free == 110


async def test_a_single_attempts_error_is_the_first_and_the_last(scene: Scene) -> None:
    """A handler that gave up at once ran once."""
    await scene.settler.settle(scene.entry, scene.room, SetAside("gave_up", "GiveUp: x"))
    (letter,) = await dead_letters(scene.store)

    assert (letter[b"attempts"], letter[b"reason"]) == (b"1", b"gave_up")
    assert letter[b"firsterror"] == letter[b"lasterror"] == b"GiveUp: x"


async def test_an_unreadable_entry_was_never_attempted(scene: Scene) -> None:
    """No handler saw it."""
    await scene.settler.settle(scene.entry, scene.room, SetAside("unreadable", "no id"))
    (letter,) = await dead_letters(scene.store)

    assert (letter[b"attempts"], letter[b"lasterror"]) == (b"0", b"no id")
    assert b"firsterror" not in letter


async def test_an_error_that_no_text_can_hold_goes_to_the_dead_letters_all_the_same(
    scene: Scene,
) -> None:
    """What UTF-8 cannot write is replaced."""
    await scene.settler.settle(scene.entry, scene.room, SetAside("gave_up", "GiveUp: \ud83d"))
    (letter,) = await dead_letters(scene.store)

    assert letter[b"lasterror"] == b"GiveUp: ?"


async def test_an_event_is_set_aside_without_its_content_in_the_log(scene: Scene) -> None:
    """The line names the entry and the reason; the error may quote a payload."""
    with capture_logs() as logs:
        await set_aside(scene)
    (line,) = logs

    assert line["event"] == "event_dead_lettered"
    assert (line["reason"], line["attempts"]) == ("attempts_spent", 1)
    assert "last" not in str(line)


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


# --- acknowledging


async def acknowledgements(store: Redis) -> int:
    """Say how many XACK commands the server has seen since the last reset."""
    seen = await store.info("commandstats")
    return int(seen.get("cmdstat_xack", {}).get("calls", 0))


async def hold_many(scene: Scene, count: int) -> list[HeldEntry]:
    """Read more events under our name."""
    ids = [f"evt_more_{number}" for number in range(count)]
    await append_events(scene.store, ids)
    entry_ids = await read_as(scene.store, US)
    return [make_entry(entry_id) for entry_id in entry_ids]


async def test_acknowledgements_that_come_together_are_sent_together(scene: Scene) -> None:
    """One command for a hundred entries of a stream."""
    entries = await hold_many(scene, 100)
    await scene.store.config_resetstat()
    for entry in entries:
        await scene.settler.settle(entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert await acknowledgements(scene.store) == 1
    assert list(await pending(scene.store)) == [scene.entry.entry_id]


async def test_a_batch_of_acknowledgements_is_bounded(scene: Scene) -> None:
    """A thousand entries are four commands of at most 256."""
    entries = await hold_many(scene, 1000)
    await scene.store.config_resetstat()
    for entry in entries:
        await scene.settler.settle(entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert await acknowledgements(scene.store) == 4
    assert list(await pending(scene.store)) == [scene.entry.entry_id]


async def test_a_single_acknowledgement_waits_for_no_others(scene: Scene) -> None:
    """It is sent by itself after a moment."""
    await scene.settler.settle(scene.entry, scene.room, Acknowledge())

    async def settled() -> bool:
        return await pending(scene.store) == {}

    await wait_until(settled, description="the acknowledgement is sent")
    await wait_until(lambda: scene.room.free == 110, description="the place is given back")


async def test_an_entry_keeps_its_place_until_its_acknowledgement_is_sent(scene: Scene) -> None:
    """Otherwise more would be in hand than the room allows."""
    await scene.settler.settle(scene.entry, scene.room, Acknowledge())
    before = scene.room.free
    await scene.settler.flush()

    assert (before, scene.room.free) == (109, 110)


async def test_success_clears_the_history(scene: Scene) -> None:
    """A book without end would grow by every event that ever failed."""
    entry = scene.with_history(2, "KeyError: first")
    other = in_books("1-0")
    for name in (entry.member, other):
        await scene.store.hset(KEYS.attempts(TAG, GROUP), name, written(entry.history).decode())
    await scene.settler.settle(entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert list(await histories(scene.store)) == [other]
    assert await pending(scene.store) == {}


async def test_flushing_nothing_returns_at_once(scene: Scene) -> None:
    """Also twice."""
    await scene.settler.flush()
    await scene.settler.flush()

    assert list(await pending(scene.store)) == [scene.entry.entry_id]


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


async def test_a_refused_acknowledgement_is_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy store must not leave an entry pending under a consumer that has forgotten it."""
    real = type(scene.store).pipeline
    refused: list[bool] = []

    async def busy(**_: Any) -> list[Exception]:
        return [ResponseError("BUSY Redis is busy running a script")]

    def busy_once(self: Any, **options: Any) -> Any:
        pipeline: Any = real(self, **options)
        if not refused:
            refused.append(True)
            pipeline.execute = busy
        return pipeline

    monkeypatch.setattr(type(scene.store), "pipeline", busy_once)
    await scene.settler.settle(scene.entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert refused == [True]
    assert await pending(scene.store) == {}


async def test_an_entry_with_thousands_of_fields_is_set_aside(scene: Scene) -> None:
    """A script can pass on some thousand strings at most; the entry itself stays in its stream."""
    fields = {f"field{number}".encode(): b"x" for number in range(9000)}
    entry = HeldEntry(scene.entry.stream, scene.entry.entry_id, fields)
    await scene.settler.settle(entry, scene.room, SetAside("unreadable", "E"))

    letters = await dead_letters(scene.store)
    assert len(letters) == 1
    assert await pending(scene.store) == {}


# --- leaving a group


async def test_a_consumer_that_holds_nothing_leaves(scene: Scene) -> None:
    """Its name is gone from the group."""
    await scene.store.xack(STREAM.key, GROUP, scene.entry.entry_id)

    assert await leave(scene.store, [STREAM.key], GROUP, US) == 1
    assert await consumers_of(scene.store) == set()


async def test_a_consumer_that_holds_an_entry_stays(scene: Scene) -> None:
    """Removing it would remove its pending entries, which nobody would ever handle."""
    assert await leave(scene.store, [STREAM.key], GROUP, US) == 0
    assert await pending(scene.store) == {scene.entry.entry_id: US}


async def test_leaving_a_group_that_is_gone_is_no_error(scene: Scene) -> None:
    """There is nothing to leave."""
    await scene.store.delete(STREAM.key)

    assert await leave(scene.store, [STREAM.key], GROUP, US) == 0
