"""What goes wrong while the spool is drained, and must leave no event behind."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.contract import duties
from relay.contract.errors import StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent, Spooled
from relay.spool import breaker, drain, held_up
from relay.spool import spooling as spooling_module
from relay.spool.file import Changes, SpoolFile
from relay.spool.row import Row
from relay.spool.spool import NotSpooled
from tests.relay.spool.parts import A, B, Bench, Store, crashing, spooling
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(held_up, "LAST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(duties, "FIRST_PAUSE_SECONDS", 0.02)


async def leave(path: Path, store: Store, *ids: str) -> Path:
    """Have a process spool events and die; give its file."""
    async with crashing(path, store) as bench:
        store.is_away = True
        await bench.send(*ids)
        (file,) = bench.spool.files
    store.is_away = False
    return file.file.path


async def test_a_file_that_cannot_be_read_on_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are drained, it is said once, and its own go when it can be read."""
    store, read = Store(), SpoolFile.read
    broken = await leave(tmp_path, store, "1", "2")

    def read_or_not(file: SpoolFile, *arguments: int) -> list[Row]:
        """Find a bad place on the disk in one file."""
        if file.path == broken:
            raise sqlite3.DatabaseError
        return read(file, *arguments)

    with capture_logs() as logs:
        with monkeypatch.context() as patched:
            patched.setattr(SpoolFile, "read", read_or_not)
            bench = Bench(tmp_path, store)
            await bench.spooling.start()
            kept = await bench.send("3")
            await wait_until(lambda: store.ids() == ["3"], description="the other is drained")
            await wait_until(lambda: len(bench.heard.failures) > 3, description="tried again")
        await bench.until_drained()
        await bench.spooling.stop()

    assert kept == [Spooled()]
    assert store.ids() == ["3", "1", "2"]
    said = [(line["event"], line["file"]) for line in logs if "unreadable" in line["event"]]
    assert said == [("spool_file_unreadable", broken.name)]


async def test_a_held_up_stream_whose_file_cannot_be_read_stays_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events were passed over: were it let go, nobody would come back to them."""
    store = Store()

    def refuse(*_: object) -> list[Row]:
        """Find a bad place on the disk."""
        raise sqlite3.DatabaseError

    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1", "2")
        store.refused.add(A)
        store.is_away = False
        held = bench.spooling._drain.held_up
        await wait_until(lambda: A in held, description="the stream is held up")
        with monkeypatch.context() as patched:
            patched.setattr(SpoolFile, "read_stream", refuse)
            await wait_until(lambda: "disk" in bench.heard.failures, description="it was tried")
        store.refused.clear()
        await bench.until_drained()

    assert store.ids() == ["1", "2"]


async def test_a_held_up_stream_whose_first_event_cannot_be_read_goes_on(tmp_path: Path) -> None:
    """That one stays in its file; those behind it do not."""
    store = Store()
    path = await leave(tmp_path, store, "1", "2", "3")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE events SET event = x'c1' WHERE sequence = 1")
    store.refused.add(A)
    async with spooling(tmp_path, store) as bench:
        await wait_until(lambda: bench.heard.failures.count("refused") > 2, description="tried")
        store.refused.clear()
        await bench.until_drained()

    assert store.ids() == ["2", "3"]


class RefusesLater(Store):
    """Takes one event, and refuses its stream from then on."""

    def _result(self, identified: IdentifiedEvent) -> Appended | Duplicate | TryLater:
        result = super()._result(identified)
        if isinstance(result, Appended) and identified.event.id == "1":
            self.refused.add(A)
        return result


async def test_a_held_up_stream_goes_on_behind_what_the_disk_does_not_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where as much of it is only still there as is read at once."""
    store, write = RefusesLater(), SpoolFile.write

    def keep_all(file: SpoolFile, changes: Changes) -> None:
        """Find the disk full when something is to be removed."""
        if changes.gone:
            raise sqlite3.OperationalError
        write(file, changes)

    await leave(tmp_path, store, "1", "2", "3")
    monkeypatch.setattr(drain, "ROUND_BYTES", 1)
    monkeypatch.setattr(SpoolFile, "write", keep_all)
    async with spooling(tmp_path, store) as bench:
        await wait_until(lambda: bench.heard.failures.count("refused") > 2, description="tried")
        store.refused.clear()
        await bench.until_drained()

    assert store.ids() == ["1", "2", "3"]


async def test_an_error_while_events_are_sent_leaves_none_behind(tmp_path: Path) -> None:
    """Whatever it is, they are sent again, and in their order."""
    store = Store()
    errors = [KeyError(), KeyError()]
    await leave(tmp_path, store, "1", "2")

    def append(identified: IdentifiedEvent) -> asyncio.Future[Appended | Duplicate]:
        """Have a mistake of ours in it."""
        if errors:
            raise errors.pop()
        return store.append(identified)

    bench = Bench(tmp_path, store)
    drain: Any = bench.spooling._drain
    drain._append = append
    await bench.spooling.start()
    await bench.send("b", stream=B)
    await bench.until_drained()
    await bench.spooling.stop()

    assert errors == []
    assert store.ids() == ["1", "2"]


async def test_who_waits_in_line_while_much_is_left_is_waited_for_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last events may be long ones, that go in many rounds."""
    monkeypatch.setattr(drain, "ROUND_BYTES", 1)
    monkeypatch.setattr(spooling_module, "LINE_SECONDS", -1.0)
    store = Store()
    await leave(tmp_path, store, "1", "2", "3")
    store.held = []
    async with spooling(tmp_path, store) as bench:
        await wait_until(lambda: bool(store.held), description="the first is on its way")
        sending = asyncio.create_task(bench.send("4"))
        await asyncio.sleep(0)
        store.let_go()
        (kept,) = await sending
        await bench.until_drained()

    assert kept == Spooled()
    assert store.ids() == ["1", "2", "3", "4"]


async def test_who_waits_in_line_when_the_store_fails_is_kept_at_once(tmp_path: Path) -> None:
    """Also where it fails between two rounds: the next one is not before it is back."""
    store = Store()
    bench = Bench(tmp_path, store)
    await bench.spool.start()
    bench.spooling.failed(store.give_up)
    await bench.send("1")
    bench.spooling._breakers.close_all()
    bench.spool.backlog.form_lines(())
    sending = asyncio.create_task(bench.send("2"))
    await wait_until(lambda: bool(bench.spool.backlog._lines[A]), description="it waits in line")
    store.is_away = True
    bench.spooling.failed(store.give_up)
    await bench.spooling._step()
    (kept,) = await sending
    await bench.spooling.stop()

    assert kept == Spooled()


async def test_a_line_that_is_held_up_holds_up_its_own_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's events go to the disk, which is well."""
    monkeypatch.setattr(spooling_module, "DISK_MORE_SECONDS", 0.05)
    store = Store()
    await leave(tmp_path, store, "1")
    store.held = []
    async with spooling(tmp_path, store) as bench:
        await wait_until(lambda: bool(store.held), description="it is on its way")
        store.deadline_seconds = 0.0
        (late,) = await bench.send("2")
        store.deadline_seconds = 20.0
        bench.spooling.failed(store.give_up)
        (same,) = await bench.send("3")
        (another,) = await bench.send("4", stream=B)
        store.let_go()
        await bench.until_drained()

    assert [type(late), type(same)] == [StoreUnavailable, StoreUnavailable]
    assert another == Spooled()


async def test_a_turn_that_comes_at_the_last_moment_is_none_that_hangs(tmp_path: Path) -> None:
    """Its event is on its way, though its sender has waited long enough."""
    bench, loop = Bench(tmp_path, Store()), asyncio.get_running_loop()
    turn, result = loop.create_future(), loop.create_future()
    waiting = asyncio.create_task(bench.spooling._in_turn(turn, time.monotonic() - 60))
    # After it has begun to wait, and before it is told that its time is over.
    loop.call_soon(turn.set_result, result)

    with pytest.raises(NotSpooled):
        await waiting
    assert not turn.cancelled()
    assert not bench.spooling._line_hangs
