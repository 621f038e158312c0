"""Events while the store is away, full, or refuses a stream: answered, kept, drained in order."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable
from relay.contract.event import Appended, Spooled
from relay.spool import breaker, drain, held_up
from relay.spool import spool as spool_module
from relay.spool import spooling as spooling_module
from relay.spool.open_file import Taken
from relay.spool.taking import NoFile, Taking
from tests.relay.spool.parts import A, B, Bench, Store, crashing, endings, event, spooling
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the store again at once."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(held_up, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(held_up, "LAST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(spooling_module, "LAST_TRY_SECONDS", 0.1)


async def test_nothing_is_spooled_while_the_store_answers(tmp_path: Path) -> None:
    """An event goes to the store, and the disk is not written to."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        results = await bench.send("1", "2")

    assert results == [Appended("1-1")] * 2
    assert bench.heard.spooled_tags == []


async def test_events_are_kept_while_the_store_is_away_and_drained_in_order(tmp_path: Path) -> None:
    """Each is answered; when the store is back each is in its stream once, as they came."""
    store = Store()
    ids = [f"{n}" for n in range(50)]
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        results = [(await bench.send(one))[0] for one in ids]
        store.is_away = False
        await bench.until_drained()

    assert results == [Spooled()] * 50
    assert store.ids() == ids
    assert bench.heard.spooled_tags == bench.heard.drained_tags == ["unipile"] * 50


async def test_after_a_failed_flush_events_go_straight_to_the_disk(tmp_path: Path) -> None:
    """While the store is away it is asked by the probe only."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1")
        await bench.send("2", stream=B)
        calls = store.calls

    assert calls == 1
    assert store.given_up == 1, "who waits for the store is told at once"


async def test_a_full_store_is_spared(tmp_path: Path) -> None:
    """What a full store refuses is kept, waits while it is full, and goes in when it is not."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_full = True
        results = await bench.send("1", "2")
        await wait_until(lambda: store.calls > 3, description="it is tried again")
        kept = bench.spool.events
        store.is_full = False
        await bench.until_drained()

    assert results == [Spooled()] * 2
    assert kept == 2
    assert store.ids() == ["1", "2"]


async def test_what_an_operator_wants_refused_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind of its own, such as a stream that is at its cap, is not for the spool."""

    class AtItsCap(StoreFull):
        """A stream holds as much as it may."""

    def refuse(_: object) -> None:
        raise AtItsCap

    store = Store()
    monkeypatch.setattr(store, "append", refuse)
    async with spooling(tmp_path, store) as bench:
        (result,) = await bench.send("1")

    assert isinstance(result, AtItsCap)


async def test_an_overload_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the appender may hold goes to the disk."""

    def refuse(_: object) -> None:
        raise Overloaded

    store = Store()
    async with spooling(tmp_path, store) as bench:
        with monkeypatch.context() as patched:
            patched.setattr(store, "append", refuse)
            (result,) = await bench.send("1")
        await bench.until_drained()

    assert result == Spooled()
    assert store.ids() == ["1"]


async def test_new_events_never_overtake_those_of_their_stream(tmp_path: Path) -> None:
    """While a stream has events on the disk its new ones go behind them, others their own way."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.refused.add(A)
        await bench.send("1")
        store.refused.clear()
        first, other = await asyncio.gather(bench.send("2"), bench.send("x", stream=B))
        await bench.until_drained()
        last = await bench.send("3")

    assert store.ids() == ["1", "2", "3"]
    assert isinstance(first[0], Spooled | Appended)
    assert other == last == [Appended("1-1")]


async def test_newcomers_wait_in_line_for_the_last_of_their_stream(tmp_path: Path) -> None:
    """A stream that gets events all the time is rid of its spool: they go to the store behind."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_full = True
        kept = await bench.send("1", "2")
        store.held, store.is_full = [], False
        await wait_until(lambda: bool(store.held), description="the last are under way")
        sending = asyncio.create_task(bench.send("3", "4"))
        other = asyncio.create_task(bench.send("x", stream=B))
        await wait_until(lambda: len(store.held or ()) == 3, description="the other is sent")
        store.let_go()
        results = await sending
        await other

    assert kept == [Spooled()] * 2
    assert results == [Appended("1-1")] * 2
    assert store.ids() == ["1", "2", "3", "4"]


async def test_those_in_line_are_kept_where_the_store_fails(tmp_path: Path) -> None:
    """Behind those that they have waited for, in their order."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_full = True
        await bench.send("1", "2")
        store.held, store.is_full = [], False
        await wait_until(lambda: bool(store.held), description="the last are under way")
        sending = asyncio.create_task(bench.send("3", "4"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        store.is_away = True
        store.let_go()
        results = await sending
        store.is_away = False
        await bench.until_drained()

    assert results == [Spooled()] * 2
    assert store.ids() == ["1", "2", "3", "4"]


async def test_a_busy_stream_goes_back_to_the_store(tmp_path: Path) -> None:
    """With events coming without a pause the spool is empty soon, and stays so."""
    store, sent = Store(), 0
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send(*[f"old-{n}" for n in range(1200)])
        store.is_away = False
        sending: list[asyncio.Task[object]] = []
        while bench.spool.events:
            sending.append(asyncio.create_task(bench.send(f"new-{sent}")))
            sent += 1
            await asyncio.sleep(0.0005)
        await asyncio.gather(*sending)
        await bench.until_drained()
        (last,) = await bench.send("last")

    assert last == Appended("1-1")
    assert store.ids() == [
        *[f"old-{n}" for n in range(1200)],
        *[f"new-{n}" for n in range(sent)],
        "last",
    ]


async def test_a_refused_stream_holds_up_no_other(tmp_path: Path) -> None:
    """It is tried again and again, in order, while the others go on."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1")
        for n in range(3):
            await bench.send(f"a{n}")
            await bench.send(f"b{n}", stream=B)
        store.refused.add(A)
        store.is_away = False
        await wait_until(lambda: len(store.ids(B)) == 3, description="the other is drained")
        left = bench.spool.backlog.count(A)
        store.refused.clear()
        await bench.until_drained()

    assert left == 4
    assert store.ids(A) == ["1", "a0", "a1", "a2"]
    assert store.ids(B) == ["b0", "b1", "b2"]
    assert "refused" in bench.heard.failures


async def test_streams_that_are_always_due_leave_the_others_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many that are held up there is one to be tried again in every round."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 1)
    monkeypatch.setattr(held_up, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(held_up, "LAST_PAUSE_SECONDS", 0.0)
    other = "unipile", "account.new"
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("a1", "a2")
        await bench.send("o1", "o2", stream=other)
        await bench.send("b1", "b2", stream=B)
        store.refused |= {A, other}
        store.is_away = False
        await wait_until(lambda: len(store.ids(B)) == 2, description="the third is drained")
        store.refused.remove(other)
        await wait_until(lambda: len(store.ids(other)) == 2, description="the second has its turn")
        store.refused.clear()
        await bench.until_drained()

    assert [store.ids(A), store.ids(other), store.ids(B)] == [
        ["a1", "a2"],
        ["o1", "o2"],
        ["b1", "b2"],
    ]


async def test_the_age_is_that_of_the_oldest_that_is_left(tmp_path: Path) -> None:
    """While a spool drains and never becomes empty, it is not taken for one that is stuck."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1")
        bench.now += 100
        await bench.send("2", stream=B)
        bench.now += 50
        before = bench.spool.oldest_seconds
        store.refused.add(B)
        store.is_away = False
        await wait_until(lambda: bench.spool.oldest_seconds < 100, description="one is drained")
        after = bench.spool.oldest_seconds
        store.refused.clear()
        await bench.until_drained()

    assert (before, after) == (150, 50)


async def test_of_a_refused_stream_one_event_is_tried(tmp_path: Path) -> None:
    """Were it refused and one behind it taken, they would change places."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        for n in range(5):
            await bench.send(f"{n}")
        store.refused.add(A)
        store.is_away = False
        await wait_until(
            lambda: bench.heard.failures.count("refused") > 3, description="tried again and again"
        )
        tried = store.sent[-3:]
        store.refused.clear()
        await bench.until_drained()

    assert tried == ["0"] * 3
    assert store.ids() == [f"{n}" for n in range(5)]


async def test_a_lost_answer_makes_no_second_entry(tmp_path: Path) -> None:
    """What was stored without an answer is found again by the drain."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.loses_answers = True
        results = await bench.send("1", "2")
        store.loses_answers = False
        await bench.until_drained()

    assert results == [Spooled()] * 2
    assert store.ids() == ["1", "2"]


async def test_a_full_spool_refuses_as_the_store_did(tmp_path: Path) -> None:
    """Beyond its bytes an event is answered 503, and what is kept goes in later."""
    store = Store()
    async with spooling(tmp_path, store, max_bytes=5000) as bench:
        store.is_away = True
        results = await bench.send(*[f"{n}" for n in range(30)])
        store.is_away = False
        await bench.until_drained()
        after = await bench.send("after")

    kept = sum(isinstance(result, Spooled) for result in results)
    assert 0 < kept < 30
    assert all(isinstance(result, Spooled | StoreUnavailable) for result in results)
    assert len(store.ids()) == kept + 1
    assert after == [Appended("1-1")]
    assert "full" in bench.heard.failures


async def test_what_is_left_at_the_end_is_drained_by_the_next(tmp_path: Path) -> None:
    """A gateway that stops leaves its file; the next counts it before it takes anything."""
    store = Store()
    async with spooling(tmp_path, store) as first:
        store.is_away = True
        await first.send("1", "2")
    left = endings(tmp_path)
    async with spooling(tmp_path, store) as second:
        counted = second.spool.backlog.count(A)
        (result,) = await second.send("3")
        store.is_away = False
        await second.until_drained()

    assert left == [".db", ".lock"]
    assert counted == 2
    assert isinstance(result, Spooled)
    assert store.ids() == ["1", "2", "3"]
    assert endings(tmp_path) == []


async def test_what_was_taken_over_counts_as_what_is_kept(tmp_path: Path) -> None:
    """With more than its part a gateway keeps nothing new until enough of it is drained."""
    store = Store()
    async with spooling(tmp_path, store) as first:
        store.is_away = True
        await first.send(*[f"{n}" for n in range(10)])
    async with spooling(tmp_path, store, max_bytes=3000) as second:
        (before,) = await second.send("before")
        store.is_away = False
        await second.until_drained()
        store.is_away = True
        (after,) = await second.send("after")

    assert isinstance(before, StoreUnavailable)
    assert isinstance(after, Spooled)


async def test_a_crash_between_append_and_removal_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in its stream and still on the disk is found to be a duplicate."""

    async def never(*_: object) -> None:
        """Remove nothing."""

    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        await first.send("1", "2", "3")
        monkeypatch.setattr(first.spool, "settle", never)
        monkeypatch.setattr(first.spool, "put_away", never)
        store.is_away = False
        await wait_until(lambda: len(store.ids()) == 3, description="all are appended")
    async with spooling(tmp_path, store) as second:
        counted = second.spool.events
        await second.until_drained()

    assert counted == 3
    assert store.ids() == ["1", "2", "3"]


async def test_two_processes_share_a_directory(tmp_path: Path) -> None:
    """Each has a file of its own; when one dies the other drains what it has left."""
    store = Store()
    async with spooling(tmp_path, store) as one:
        async with crashing(tmp_path, store) as other:
            store.is_away = True
            await other.send("of the other")
            store.spooling = one.spooling
            await one.spool.tend()
            before = one.spool.events
        await one.spool.tend()
        after = one.spool.events
        store.is_away = False
        one.spooling._work.set()
        await one.until_drained()

    assert (before, after) == (0, 1)
    assert store.ids() == ["of the other"]


async def test_an_event_sent_long_ago_is_looked_for_first(tmp_path: Path) -> None:
    """The index has forgotten it: its entry is looked for, and it is sent only if there is none."""
    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        await first.send("was stored", "was not")
    async with spooling(tmp_path, store, late_seconds=3600, found=["was stored"]) as second:
        store.is_away = False
        await second.until_drained()

    assert second.looked_up[0] == [1, 2]
    assert store.ids() == ["was not"]


async def test_an_event_that_was_never_sent_is_not_looked_for(tmp_path: Path) -> None:
    """However old it is, it can have no entry."""
    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        first.spooling.failed(store.give_up)
        await first.send("1")
    store.is_away = False
    async with spooling(tmp_path, store, late_seconds=999_999) as second:
        await second.until_drained()

    assert second.looked_up == []
    assert store.ids() == ["1"]


async def test_an_event_that_the_drain_has_sent_is_looked_for_too(tmp_path: Path) -> None:
    """That it is about to be sent is written down before it is."""
    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        first.spooling.failed(store.give_up)
        await first.send("1")
        store.loses_answers, store.is_away = True, False
        await wait_until(lambda: store.ids() == ["1"], description="it is stored")
    store.loses_answers = False
    async with spooling(tmp_path, store, late_seconds=3600, found=["1"]) as second:
        await second.until_drained()

    assert second.looked_up == [[1]]


async def test_a_caller_who_is_gone_leaves_the_event(tmp_path: Path) -> None:
    """A sender that hangs up does not take its event back."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1")
        call = asyncio.create_task(bench.spooling.append(event("2")))
        await asyncio.sleep(0)
        call.cancel()
        store.is_away = False
        await bench.until_drained()

    assert store.ids() == ["1", "2"]


async def test_long_rounds_drain_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than fits into a round goes in several, by number and by bytes."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 7)
    monkeypatch.setattr(drain, "ROUND_BYTES", 2000)
    store = Store()
    ids = [f"{n}" for n in range(60)]
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send(*ids)
        store.is_away = False
        await bench.until_drained()

    assert store.ids() == ids


async def test_an_empty_file_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an outage has made long is replaced when all of it is drained, and events go on."""
    monkeypatch.setattr(spool_module, "LONG_FILE_BYTES", 100_000)
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send(*[f"{n}" for n in range(500)])
        long = bench.spool.files[-1].file
        store.is_away = False
        await bench.until_drained()
        await wait_until(lambda: not long.path.exists(), description="the long file is gone")
        store.is_away = True
        after = await bench.send("after")
        store.is_away = False
        await bench.until_drained()

    assert after == [Spooled()]
    assert len(store.ids()) == 501


async def test_a_directory_that_is_gone_does_not_stop_deliveries(tmp_path: Path) -> None:
    """With nothing to write to, events are refused as the store did, and kept when it is back."""
    store, path = Store(), tmp_path / "spool"
    path.write_text("in the way")
    async with spooling(path, store) as bench:
        stored = await bench.send("1")
        store.is_away = True
        (refused,) = await bench.send("2")
        was_writable = bench.spool.is_writable
        path.unlink()
        path.mkdir()
        await bench.spool.tend()
        kept = await bench.send("2")
        store.is_away = False
        await bench.until_drained()

    assert stored == [Appended("1-1")]
    assert isinstance(refused, StoreUnavailable)
    assert not was_writable
    assert kept == [Spooled()]
    assert store.ids() == ["1", "2"]


@pytest.mark.parametrize("pattern", ["*", "*-wal"])
async def test_what_goes_to_a_file_that_was_removed_is_not_accepted(
    tmp_path: Path, pattern: str
) -> None:
    """It would go with the process. Soon there is another file; what was in the first is sent."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1")
        for path in list(tmp_path.glob(pattern)):  # noqa: ASYNC240 - a test's own
            path.unlink()
        (refused,) = await bench.send("2")
        await bench.spool.tend()
        kept = await bench.send("3")
        store.is_away = False
        await bench.until_drained()

    assert isinstance(refused, StoreUnavailable)
    assert kept == [Spooled()]
    assert store.ids() == ["1", "3"]
    assert bench.heard.failures == ["disk"]


async def test_who_need_a_file_at_the_same_time_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two, one would be forgotten, and nobody would drain what went into it."""

    def refuse(_: Taking) -> Taken:
        """Find the disk full."""
        raise NoFile

    bench = Bench(tmp_path, Store())
    with monkeypatch.context() as patched:
        patched.setattr(Taking, "make", refuse)
        await bench.spool.start()
    await asyncio.gather(bench.spool.tend(), bench.spool.tend())
    made = endings(tmp_path).count(".db")
    await bench.spool.finish()

    assert made == 1


async def test_a_look_up_that_fails_sends_nothing(tmp_path: Path) -> None:
    """What may be there already waits until it is known whether it is."""
    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        await first.send("1")
    second = Bench(tmp_path, store, late_seconds=3600)
    looks, find = 0, second._find

    async def fail_twice(late: object) -> set[int]:
        """Find the store away."""
        nonlocal looks
        looks += 1
        if looks < 3:
            raise ConnectionResetError
        return await find(late)

    second.spooling._drain._find = fail_twice
    store.is_away = False
    calls = store.calls
    await second.spooling.start()
    await second.until_drained()
    await second.spooling.stop()

    assert looks == 3
    assert store.calls == calls + 1
    assert store.ids() == ["1"]
    assert second.heard.failures == []


def spoil(directory: Path) -> None:
    """Make the second event of the only file unreadable."""
    (path,) = directory.glob("*.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE events SET event = x'c1' WHERE sequence = 2")


async def test_an_event_that_cannot_be_read_holds_up_nothing(tmp_path: Path) -> None:
    """It stays in its file, which is kept for it, and the others go."""
    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        await first.send("1", "2", "3")
    spoil(tmp_path)
    store.is_away = False
    with capture_logs() as logs:
        async with spooling(tmp_path, store) as bench:
            await bench.until_drained()
            (after,) = await bench.send("4")

    named = {line["file"] for line in logs if "file" in line}
    assert named == {path.name for path in tmp_path.glob("*.db")}  # noqa: ASYNC240 - a test's own
    assert after == Appended("1-1")
    assert store.ids() == ["1", "3", "4"]
    assert bench.heard.failures == ["unreadable_row"]
    assert endings(tmp_path) == [".db", ".lock"]
