"""What the store holds after an outcome was stored: state before, act, state after."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.entry import HeldEntry, History, read_history, written
from consumers.lease import Lease
from consumers.retry import Acknowledge, SetAside, TryAgain
from consumers.settle import DEAD_LETTERS_KEPT_MS
from consumers.trim import DEAD_LETTER_SECONDS
from consumers.waiting.later import LATER_SECONDS, PutOff
from relay.contract.script import Script
from relay.contract.wire import Command, Wire
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    US,
    append_events,
    consumers_of,
    dead_letters,
    due_times,
    histories,
    in_books,
    make_entry,
    make_handler,
    make_room,
    make_stream,
    now_ms,
    pending,
    read_as,
)
from tests.consumers.settling import SET_ASIDE, Scene, park, set_aside, unless_in_cluster
from tests.consumers.waiting_long import make_again, waiting_long
from tests.eager import tasks_that_end_at_once
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
leave = Script("consumers", "leave")


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


async def test_many_entries_are_handed_back_in_their_order(scene: Scene) -> None:
    """Also by a server that does not know the script yet."""
    entries = [scene.entry, *await hold_many(scene, 600)]
    await scene.store.script_flush()
    with capture_logs() as logs:
        await scene.settler.hand_back(entries)

    entry_ids = [entry.entry_id for entry in entries]
    assert await pending(scene.store) == dict.fromkeys(entry_ids, "@park")
    assert list(await due_times(scene.store)) == [in_books(entry_id) for entry_id in entry_ids]
    assert [line["entries"] for line in logs if line["event"] == "entries_handed_back"] == [601]


async def test_what_cannot_be_handed_back_does_not_hold_up_the_rest(scene: Scene) -> None:
    """It stays pending under this consumer, which others will find gone."""
    elsewhere = make_stream(tag="github")
    await append_events(scene.store, ["evt_2"], tag="github")
    (other_id,) = await read_as(scene.store, US, elsewhere)
    await scene.store.set(KEYS.park("github", GROUP), "x")
    with capture_logs() as logs:
        await scene.settler.hand_back([make_entry(other_id, stream=elsewhere), scene.entry])
    await scene.store.delete(KEYS.park("github", GROUP))

    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}
    assert await pending(scene.store, elsewhere) == {other_id: US}
    assert [line["error"] for line in logs if line["event"] == "settling_refused"] == ["WRONGTYPE"]


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


@pytest.mark.parametrize(
    ("delay_seconds", "order_by", "waits_at"),
    [
        (LATER_SECONDS, None, "@park"),
        (LATER_SECONDS + 1, None, None),
        (LATER_SECONDS + 1, "account", "@park"),
    ],
    ids=["ten minutes", "longer", "longer, in order"],
)
async def test_a_long_wait_is_elsewhere_unless_order_is_kept(
    scene: Scene, delay_seconds: float, order_by: str | None, waits_at: str | None
) -> None:
    """The head of a lane never leaves its stream: those behind it wait for it."""
    room = make_room(make_handler(order_by=order_by))
    room.put(scene.entry)
    await scene.settler.settle(scene.entry, room, TryAgain(delay_seconds, "ValueError: x"))
    entry_id = scene.entry.entry_id

    assert await pending(scene.store) == ({} if waits_at is None else {entry_id: waits_at})
    assert len(await waiting_long(scene.store)) == (waits_at is None)
    assert room.free == 110


async def test_what_is_given_again_has_no_order_to_keep(scene: Scene) -> None:
    """It has left its place long ago."""
    stream = make_again()
    await scene.store.xadd(stream.key, dict(scene.entry.fields))  # type: ignore[arg-type]
    (entry_id,) = await read_as(scene.store, US, stream)
    room = make_room(make_handler(order_by="account"))
    entry = make_entry(entry_id, stream=stream)
    await scene.settler.settle(entry, room, TryAgain(LATER_SECONDS + 1, "ValueError: x"))

    assert await pending(scene.store, stream) == {}
    assert len(await waiting_long(scene.store)) == 1


async def test_what_is_too_large_to_be_moved_waits_where_it_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It pins its stream, which is better than to be lost."""

    async def large(*_: object) -> PutOff:
        return "large"

    monkeypatch.setattr("consumers.settle.put_off", large)
    await scene.settler.settle(scene.entry, scene.room, TryAgain(LATER_SECONDS + 1, "x"))

    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}


@pytest.mark.parametrize("delay_seconds", [1.0, LATER_SECONDS + 1], ids=["short", "long"])
@pytest.mark.parametrize("postponed", [False, True], ids=["failed", "postponed"])
async def test_every_wait_keeps_count_of_the_runs(
    scene: Scene, delay_seconds: float, *, postponed: bool
) -> None:
    """One that was postponed has no error."""
    entry = scene.with_history(2, "KeyError: first")
    verdict = TryAgain(delay_seconds, "ValueError: x", postponed=postponed)
    await scene.settler.settle(entry, scene.room, verdict)
    values = [
        *(await histories(scene.store)).values(),
        *(fields[b"@history"] for _, fields in await waiting_long(scene.store)),
    ]

    assert list(map(read_history, values)) == [History(3, "KeyError: first", int(postponed))]


async def test_a_long_wait_that_comes_late_is_dropped(scene: Scene) -> None:
    """Another worker took the entry over; its outcome counts."""
    await scene.store.xclaim(STREAM.key, GROUP, "other", 0, [scene.entry.entry_id])
    with capture_logs() as logs:
        await scene.settler.settle(scene.entry, scene.room, TryAgain(LATER_SECONDS + 1, "x"))

    assert await pending(scene.store) == {scene.entry.entry_id: "other"}
    assert [line["event"] for line in logs] == ["outcome_late"]
    assert scene.room.free == 110


# --- dead letters


async def test_a_dead_letter_of_what_was_given_again_names_the_first_entry(scene: Scene) -> None:
    """Once: where the event can still be looked up."""
    stream = make_again()
    fields = dict(scene.entry.fields) | {b"entryid": b"7-1"}
    await scene.store.xadd(stream.key, fields)  # type: ignore[arg-type]
    (entry_id,) = await read_as(scene.store, US, stream)
    entry = make_entry(entry_id, stream=stream, fields=fields)
    await scene.settler.settle(entry, scene.room, SET_ASIDE)
    flat: Any = await scene.store.eval(
        "return redis.call('XRANGE', KEYS[1], '-', '+')[1][2]", 1, KEYS.dead(TAG, GROUP)
    )
    names = flat[::2]

    assert (await dead_letters(scene.store))[0][b"entryid"] == b"7-1"
    assert names.count(b"entryid") == 1


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


async def test_an_entry_that_was_not_run_was_not_attempted(scene: Scene) -> None:
    """No handler saw it; nor has its error happened in a run."""
    await scene.settler.settle(
        scene.entry, scene.room, SetAside("unreadable", "no id", attempted=False)
    )
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


async def test_an_entry_with_thousands_of_fields_is_set_aside(scene: Scene) -> None:
    """A script can pass on some thousand strings at most; the entry itself stays in its stream."""
    fields = {f"field{number}".encode(): b"x" for number in range(9000)}
    entry = HeldEntry(scene.entry.stream, scene.entry.entry_id, fields)
    await scene.settler.settle(entry, scene.room, SetAside("unreadable", "E"))

    letters = await dead_letters(scene.store)
    assert len(letters) == 1
    assert await pending(scene.store) == {}


async def test_letters_that_are_lost_for_a_new_one_are_counted_in_the_log(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number is bounded, and nobody should have to find out by missing one."""
    monkeypatch.setattr("consumers.settle.DEAD_LETTERS_KEPT", 100)
    dead = KEYS.dead(TAG, GROUP)
    pipeline = scene.store.pipeline(transaction=False)
    for number in range(250):
        pipeline.xadd(dead, {"id": "evt"}, id=f"1-{number}")
    await pipeline.execute()
    with capture_logs() as logs:
        await set_aside(scene)

    assert logs[0] == {
        "event": "dead_letters_lost",
        "log_level": "error",
        "stream": dead,
        "letters": 251 - await scene.store.xlen(dead),
        "bound": "number",
    }
    assert logs[1]["event"] == "event_dead_lettered"


async def test_what_a_group_has_set_aside_ends_by_itself(scene: Scene) -> None:
    """Thirty days after the last of it, also where no worker of the group is left to trim it."""
    await set_aside(scene)
    expires_ms = await scene.store.pttl(KEYS.dead(TAG, GROUP))

    assert DEAD_LETTERS_KEPT_MS == 1000 * DEAD_LETTER_SECONDS
    assert 0 <= DEAD_LETTERS_KEPT_MS - expires_ms < 60_000


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


async def test_acknowledgements_go_on_where_tasks_begin_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's start-up may ask for that; what ends as it begins is not the last that is sent."""
    unless_in_cluster(scene.store)
    monkeypatch.setattr("consumers.acks.BATCH", 1)
    sent: list[object] = []

    async def exchange(_: Wire, commands: Sequence[Command]) -> list[Any]:
        sent.extend(commands)
        return []

    monkeypatch.setattr(Wire, "exchange", exchange)
    with tasks_that_end_at_once():
        for entry in (make_entry("1-0"), make_entry("2-0")):
            scene.room.put(entry)
            already = len(sent)
            scene.settler.acknowledge(entry, scene.room)
            await wait_until(lambda already=already: len(sent) > already, description="it is sent")  # type: ignore[misc]

    assert len(sent) == 2


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


@pytest.mark.parametrize("attempts", [0, 2])
async def test_success_clears_the_history_in_the_same_step(scene: Scene, attempts: int) -> None:
    """An end between the two would leave it for ever; without one there is nothing to join."""
    entry = scene.with_history(attempts, "KeyError: first") if attempts else scene.entry
    await scene.store.config_resetstat()
    await scene.settler.settle(entry, scene.room, Acknowledge())
    await scene.settler.flush()
    seen = await scene.store.info("commandstats")

    assert ("cmdstat_exec" in seen) is bool(attempts)
    assert await pending(scene.store) == {}


async def test_a_late_success_clears_what_another_wrote_meanwhile(scene: Scene) -> None:
    """The other may die before it settles, and nobody would look at the entry again."""
    entry = replace(scene.entry, lease=Lease(lambda: True))
    for book in (KEYS.attempts(TAG, GROUP), KEYS.strikes(TAG, GROUP)):
        await scene.store.hset(book, entry.member, "1 1")
    await scene.settler.settle(entry, scene.room, Acknowledge())
    await scene.settler.flush()

    assert await histories(scene.store) == {}
    assert not await scene.store.exists(KEYS.strikes(TAG, GROUP))


async def test_flushing_nothing_returns_at_once(scene: Scene) -> None:
    """Also twice."""
    await scene.settler.flush()
    await scene.settler.flush()

    assert list(await pending(scene.store)) == [scene.entry.entry_id]


# --- leaving a group


async def test_a_consumer_that_holds_nothing_leaves(scene: Scene) -> None:
    """Its name is gone from the group, which remembers that somebody left."""
    await scene.store.xack(STREAM.key, GROUP, scene.entry.entry_id)

    assert await leave(scene.store, [STREAM.key], GROUP, US) == 1
    assert await consumers_of(scene.store) == {"@left"}


async def test_a_consumer_that_holds_an_entry_stays(scene: Scene) -> None:
    """Removing it would remove its pending entries, which nobody would ever handle."""
    assert await leave(scene.store, [STREAM.key], GROUP, US) == 0
    assert await pending(scene.store) == {scene.entry.entry_id: US}


async def test_leaving_a_group_that_is_gone_is_no_error(scene: Scene) -> None:
    """There is nothing to leave."""
    await scene.store.delete(STREAM.key)

    assert await leave(scene.store, [STREAM.key], GROUP, US) == 0
