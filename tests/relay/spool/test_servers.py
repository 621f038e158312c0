"""A spool in front of several servers: what one of them does is no trouble of the others."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from relay.contract import duties
from relay.contract.event import Appended, Spooled
from relay.spool import drain
from tests.relay.spool.parts import Bench, spooling
from tests.relay.spool.servers import A_TAG, B_TAG, A, B, Servers, leave
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("short_pauses")


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
