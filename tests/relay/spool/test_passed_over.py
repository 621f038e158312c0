"""What waited for one of several servers: it goes when that is back, in order, and soon."""

import asyncio
from pathlib import Path

import pytest

from relay.spool import drain
from tests.relay.spool.parts import Bench, crashing
from tests.relay.spool.servers import A_TAG, B_TAG, A, B, Servers, leave
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_what_waits_for_a_server_that_is_away_is_passed_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much it is, what lies behind it for others goes in the same round."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    store = Servers()
    await leave(tmp_path, store, a=8, b=1)
    bench = Bench(tmp_path, store, spread=True)
    await bench.spool.start()
    bench.spooling.failed(store.give_up, A_TAG)
    moved = await bench.spooling._drain.round()
    await bench.spooling.stop()

    assert moved == 1
    assert store.ids(B) == ["b0"]


async def passed_over(bench: Bench, store: Servers) -> None:
    """Have what is kept for A passed over, and A answer again; the rounds are the test's own."""
    await bench.spool.start()
    bench.spooling.failed(store.give_up, A_TAG)
    await bench.spooling._drain.round()
    answer(bench, A_TAG)


def answer(bench: Bench, server: str) -> None:
    """Have a server answer the question whether it is there."""
    bench.spooling._breakers.answered(server)
    bench.spooling._breakers.close(server)


async def test_streams_that_have_waited_for_a_server_go_together(tmp_path: Path) -> None:
    """One for itself, a round for each would take longer than new events take to come."""
    store = Servers()
    streams = [(A_TAG, f"type.{number}") for number in range(20)]
    async with crashing(tmp_path, store) as bench:
        store.away.add(A_TAG)
        bench.spooling.failed(store.give_up, A_TAG)
        for stream in streams:
            await bench.send(stream[1], stream=stream)
    store.away.clear()
    bench = Bench(tmp_path, store, spread=True)
    await passed_over(bench, store)
    moved = await bench.spooling._drain.round()
    await bench.spooling.stop()

    assert moved == len(streams)


async def test_a_stream_that_is_never_quiet_is_not_held_up_for_ever(tmp_path: Path) -> None:
    """It is let go when all that was passed over went, though more has come meanwhile."""
    store = Servers()
    await leave(tmp_path, store, a=1)
    bench = Bench(tmp_path, store, spread=True)
    await passed_over(bench, store)
    store.held = []
    going = asyncio.create_task(bench.spooling._drain.round())
    await wait_until(lambda: bool(store.held), description="what was passed over is under way")
    await bench.send("more", stream=A)
    store.let_go()
    moved = await going
    await bench.spooling.stop()

    assert moved == 2
    assert store.ids(A) == ["a0", "more"]


async def test_what_is_left_of_a_stream_is_not_overtaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream of which only some went is held up until the rest went too."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    store = Servers()
    await leave(tmp_path, store, a=5)
    bench = Bench(tmp_path, store, spread=True)
    await passed_over(bench, store)
    await bench.send("more", stream=A)
    first = await bench.spooling._drain.round()
    for _ in range(4):
        await bench.spooling._drain.round()
    await bench.spooling.stop()

    assert first == 2
    assert store.ids(A) == ["a0", "a1", "a2", "a3", "a4", "more"]


async def test_a_server_that_fails_each_time_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers when it is asked, and takes nothing; its streams go to the end of the line."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    store = Servers()
    await leave(tmp_path, store, a=2, b=2)
    bench = Bench(tmp_path, store, spread=True)
    bench.spooling.failed(store.give_up, B_TAG)
    await passed_over(bench, store)
    store.away.add(A_TAG)
    answer(bench, B_TAG)
    for _ in range(2):
        answer(bench, A_TAG)
        await bench.spooling._drain.round()
    await bench.spooling.stop()

    assert store.ids(B) == ["b0", "b1"]


async def test_a_server_that_answers_and_takes_nothing_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is tried, and fails: in the same round the others go on."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    store = Servers()
    await leave(tmp_path, store, a=1, b=5)
    store.away.add(A_TAG)
    bench = Bench(tmp_path, store, spread=True)
    await bench.spool.start()
    moved = []
    for _ in range(3):
        bench.spooling._breakers.answered(A_TAG)
        moved.append(await bench.spooling._drain.round())
    await bench.spooling.stop()

    assert moved == [1, 2, 2]
    assert store.sent.count("a0") == 3
