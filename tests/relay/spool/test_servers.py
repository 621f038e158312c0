"""A spool in front of several servers: what one of them does is no trouble of the others."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from relay.commands.spool import draining
from relay.contract import duties
from relay.contract.errors import StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent, Spooled
from relay.spool import breaker, drain, held_up
from tests.relay.spool.parts import Bench, Store, crashing, spooling
from tests.waiting import wait_until

# A stream on each of two servers, which are called after their tags.
A, B = ("on-a", "message.new"), ("on-b", "message.new")
A_TAG, B_TAG = A[0], B[0]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(held_up, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(held_up, "LAST_PAUSE_SECONDS", 0.02)


class Servers(Store):
    """Several servers, any of which may be away, full, or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()
        self.full: set[str] = set()
        self.refusals = 0
        # These say nothing when they are asked whether they are there.
        self.hanging: set[str] = set()
        self.asked: list[str] = []
        # With these, which a spool names since it has events of them.
        self.known_tags: set[str] = set()
        # Who has a tag, where that is not the one that is called after it.
        self.moved: dict[str, str] = {}

    def server_of(self, tag: str) -> str:
        """Name the server that has a tag."""
        return self.moved.get(tag, tag)

    def append(
        self, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        """Refuse at once what a full one would."""
        if self.server_of(identified.tag) in self.full:
            self.refusals += 1
            raise StoreFull
        return super().append(identified, past_caps=past_caps)

    async def probe_server(self, server: str | None, more_tags: Collection[str] = ()) -> None:
        """Say whether one is there; one that has no tag need not be."""
        assert server is not None
        self.known_tags.update(more_tags)
        self.asked.append(server)
        if server in self.hanging:
            await asyncio.Event().wait()
        if server in self.away and server not in self.moved:
            raise ConnectionRefusedError

    def _result(self, identified: IdentifiedEvent) -> Appended | Duplicate | TryLater:
        server = self.server_of(identified.tag)
        if server in self.away:
            assert self.spooling is not None
            self.spooling.failed(self.give_up, server)
            return StoreUnavailable("no confirmation in time")
        return super()._result(identified)


async def leave(path: Path, store: Servers, *, a: int, b: int = 0, tried: bool = False) -> None:
    """Have a process spool events of both servers and die."""
    async with crashing(path, store) as bench:
        for server in (A_TAG, B_TAG):
            store.away.add(server)
            if not tried:
                bench.spooling.failed(store.give_up, server)
        await bench.send(*[f"a{number}" for number in range(a)], stream=A)
        await bench.send(*[f"b{number}" for number in range(b)], stream=B)
    store.away.clear()
    store.asked.clear()


@pytest.mark.parametrize("trouble", ["away", "full"])
async def test_a_server_of_several_holds_up_its_own_streams_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """However much waits for it, what is for the others gets through, and its own in order."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 4)
    store = Servers()
    async with spooling(tmp_path, store, spread=True) as bench:
        getattr(store, trouble).add(A_TAG)
        await bench.send(*[f"a{number}" for number in range(8)], stream=A)
        store.away.add(B_TAG)
        kept = await bench.send("b0", "b1", stream=B)
        store.away.remove(B_TAG)
        await wait_until(lambda: store.ids(B) == ["b0", "b1"], description="B is drained")
        waiting = store.ids(A)
        getattr(store, trouble).remove(A_TAG)
        await bench.until_drained()

    assert kept == [Spooled()] * 2
    assert waiting == []
    assert store.ids(A) == [f"a{number}" for number in range(8)]


async def test_events_for_a_server_that_is_there_never_go_to_the_disk(tmp_path: Path) -> None:
    """Whatever is kept, asked and tried again for one that is not."""
    store = Servers()
    async with spooling(tmp_path, store, spread=True) as bench:
        store.away.add(A_TAG)
        results = []
        for number in range(20):
            asked = len(store.asked)
            await bench.send(f"a{number}", stream=(A_TAG, f"type.{number}"))
            results += await bench.send(f"b{number}", stream=B)
            await wait_until(lambda asked=asked: len(store.asked) > asked, description="asked")  # type: ignore[misc]
        store.away.clear()
        await bench.until_drained()

    assert results == [Appended("1-1")] * 20
    assert set(bench.heard.spooled_tags) == {A_TAG}


async def test_nothing_is_sent_to_a_server_before_it_answers(tmp_path: Path) -> None:
    """Its streams wait, also while another's are tried, and none of them is called refused."""
    store = Servers()
    await leave(tmp_path, store, a=1)
    store.away.add(A_TAG)
    store.full.add(B_TAG)
    before = len(store.sent)
    with capture_logs() as logs:
        async with spooling(tmp_path, store, spread=True) as bench:
            await wait_until(lambda: A_TAG in store.asked, description="it has failed")
            await bench.send("a1", stream=A)
            await bench.send("b", stream=B)
            await wait_until(lambda: store.refusals > 5, description="the other is tried")
            sent = store.sent[before:]
            store.away.clear()
            store.full.clear()
            await bench.until_drained()

    assert sent == ["a0"]
    assert store.known_tags == {A_TAG, B_TAG}
    held = {line["tag"] for line in logs if line["event"] == "spool_streams_held_up"}
    assert held == {B_TAG}
    assert store.ids(A) == ["a0", "a1"]


async def test_what_a_server_refuses_when_it_is_back_is_said(tmp_path: Path) -> None:
    """That its streams were waiting already does not hide why they go on waiting."""
    store = Servers()
    await leave(tmp_path, store, a=2)
    store.away.add(A_TAG)
    with capture_logs() as logs:
        async with spooling(tmp_path, store, spread=True) as bench:
            await wait_until(lambda: A_TAG in store.asked, description="it has failed")
            before = [line for line in logs if line["event"] == "spool_streams_held_up"]
            store.refused.add(A)
            store.away.clear()
            await wait_until(lambda: bool(bench.heard.failures), description="it has refused")
            store.refused.clear()
            await bench.until_drained()

    assert before == []
    assert [line["tag"] for line in logs if line["event"] == "spool_streams_held_up"] == [A_TAG]


async def test_a_server_that_answers_again_at_once_has_refused_nothing(tmp_path: Path) -> None:
    """Where a connection is cut it is back before the others have taken what is theirs."""
    store = Servers()
    await leave(tmp_path, store, a=2, b=1)
    store.away.add(A_TAG)
    bench = Bench(tmp_path, store, spread=True)
    await bench.spool.start()
    failed = bench.spooling.failed

    def fail_and_answer(give_up: Callable[[], None], server: str) -> None:
        failed(give_up, server)
        bench.spooling._breakers.answered(server)

    store.spooling = cast("Any", SimpleNamespace(failed=fail_and_answer))
    with capture_logs() as logs:
        moved = [await bench.spooling._drain.round()]
        store.away.clear()
        moved.append(await bench.spooling._drain.round())
    await bench.spooling.stop()

    assert moved == [1, 2]
    assert logs == []
    assert bench.heard.failures == []


async def test_a_fault_of_asking_is_said_and_asking_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a bug; what was kept must be sent all the same."""
    monkeypatch.setattr(duties, "FIRST_PAUSE_SECONDS", 0.0)
    store, probe = Servers(), Servers.probe_server
    faults = [ValueError(), ValueError()]

    async def fail_first(self: Servers, *arguments: Any) -> None:
        if faults:
            raise faults.pop()
        await probe(self, *arguments)

    monkeypatch.setattr(Servers, "probe_server", fail_first)
    with capture_logs() as logs:
        async with spooling(tmp_path, store, spread=True) as bench:
            store.away.add(A_TAG)
            await bench.send("1", stream=A)
            store.away.clear()
            await bench.until_drained()

    assert [line["duty"] for line in logs if line["event"] == "duty_failed"] == ["spool-ask"] * 2
    assert store.ids(A) == ["1"]


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


async def test_a_server_that_hangs_holds_up_no_other_that_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes its time to say nothing; meanwhile what was kept for the others is sent."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    store = Servers()
    ids = [f"b{number}" for number in range(9)]
    async with spooling(tmp_path, store, spread=True) as bench:
        store.away, store.hanging = {A_TAG, B_TAG}, {A_TAG}
        await bench.send("a", stream=A)
        await bench.send(*ids, stream=B)
        await wait_until(lambda: A_TAG in store.asked, description="it was asked")
        store.away.remove(B_TAG)
        await wait_until(lambda: store.ids(B) == ids, description="B is drained")
        (after,) = await bench.send("after", stream=B)

    assert after == Appended("1-1")
    assert store.asked.count(A_TAG) == 1
    assert store.ids(A) == []


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


async def test_a_server_that_is_away_keeps_no_other_from_being_drained_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked, and what was left for the others goes on."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    monkeypatch.setattr(draining, "PATIENCE_SECONDS", 0.3)
    store = Servers()
    await leave(tmp_path, store, a=1, b=9)
    store.away.add(A_TAG)
    await drain_by_command(tmp_path, store, monkeypatch)

    assert store.ids(B) == [f"b{number}" for number in range(9)]
    assert store.asked.count(A_TAG) > 1
    assert store.sent.count("a0") == 1


async def test_a_server_that_comes_back_is_drained_to_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not take at first is sent when it answers."""
    store = Servers()
    await leave(tmp_path, store, a=2)
    store.away.add(A_TAG)
    draining_all = asyncio.create_task(drain_by_command(tmp_path, store, monkeypatch))
    await wait_until(lambda: A_TAG in store.asked, description="it has failed")
    store.away.clear()
    await draining_all

    assert store.ids(A) == ["a0", "a1"]


async def drain_by_command(path: Path, store: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drain what is left as `relay spool drain` does, to these servers."""

    async def nothing() -> None:
        """Announce nothing, watch nothing, stop nothing."""

    def appender(*_: Any, observer: Any, **__: Any) -> Any:
        store.spooling = observer
        return store

    quiet = SimpleNamespace(refresh=nothing, watch=nothing, is_full_at=None)
    replaced: dict[str, Callable[..., Any]] = {
        "make_appender": appender,
        "make_capacity": lambda *_: quiet,
        "Announcer": lambda *_: quiet,
        "is_cluster": lambda _: True,
    }
    for name, by in replaced.items():
        monkeypatch.setattr(draining, name, by)
    monkeypatch.setattr(Servers, "stop", lambda _: nothing(), raising=False)
    bench = Bench(path, store)
    await bench.spool.adopt()
    place: Any = SimpleNamespace(redis=None, keys=None, settings=SimpleNamespace(held_groups=()))
    await draining._drain(bench.spool, place, 0, lambda _: None)
    await bench.spool.finish()


async def test_a_full_server_holds_up_no_stream_of_another(tmp_path: Path) -> None:
    """Not even for a moment, where events for both are sent together."""
    store = Servers()
    await leave(tmp_path, store, a=1, b=1)
    store.full.add(A_TAG)
    with capture_logs() as logs:
        async with spooling(tmp_path, store, spread=True) as bench:
            await wait_until(lambda: store.ids(B) == ["b0"], description="B is drained")
            store.full.clear()
            await bench.until_drained()

    held = [line["tag"] for line in logs if line["event"] == "spool_streams_held_up"]
    assert held == [A_TAG]


async def test_a_look_up_that_fails_holds_up_the_streams_of_its_server_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not known to be there is not sent, and the others' is."""
    store = Servers()
    await leave(tmp_path, store, a=1, b=1, tried=True)
    before = len(store.sent)

    async def find(_: Bench, late: Any) -> set[int]:
        """Find one server away."""
        if any(each.tag == A_TAG for each in late):
            raise ConnectionResetError
        return set()

    monkeypatch.setattr(Bench, "_find", find)
    store.away.add(A_TAG)
    async with spooling(tmp_path, store, spread=True, late_seconds=3600) as bench:
        await wait_until(lambda: store.ids(B) == ["b0"], description="B is drained")

    assert store.sent[before:] == ["b0"]
    assert bench.heard.failures == []


async def test_a_server_whose_tags_went_elsewhere_is_waited_for_no_more(tmp_path: Path) -> None:
    """Its replica has its place; the dead one will never answer."""
    store = Servers()
    async with spooling(tmp_path, store, spread=True) as bench:
        store.away.add(A_TAG)
        (kept,) = await bench.send("1", stream=A)
        store.moved[A_TAG] = B_TAG
        await bench.until_drained()
        await wait_until(lambda: not bench.spooling._breakers.any_open, description="forgotten")
        (after,) = await bench.send("2", stream=A)

    assert [kept, after] == [Spooled(), Appended("1-1")]
    assert store.ids(A) == ["1", "2"]
