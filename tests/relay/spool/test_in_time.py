"""Every delivery has its answer while its sender waits, whatever store and disk do meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.contract.errors import StoreUnavailable
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.spool import breaker
from relay.spool import spool as spool_module
from relay.spool import spooling as spooling_module
from relay.spool.file import Changes, SpoolFile
from tests.relay.spool.parts import Store, spooling
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the store again at once."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(spooling_module, "LAST_TRY_SECONDS", 0.1)


@pytest.fixture
def hanging_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that says nothing to any write until the event is set."""
    write, goes_on = SpoolFile.write, threading.Event()

    def write_late(file: SpoolFile, changes: Changes) -> None:
        """Wait for the test, and no longer than it may run."""
        goes_on.wait(20)
        write(file, changes)

    monkeypatch.setattr(SpoolFile, "write", write_late)
    yield goes_on
    goes_on.set()


class Choosy(Store):
    """Cannot write one event down."""

    def append(
        self, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        """Store an event, unless it cannot be written."""
        if identified.event.id == "unwritable":
            raise UnicodeEncodeError("utf-8", "", 0, 1, "surrogates not allowed")
        return super().append(identified, past_caps=past_caps)


async def test_store_and_disk_that_hang_have_one_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hanging_disk: threading.Event
) -> None:
    """What a delivery has waited for the store it waits less for the disk, which has it later."""
    store = Store()
    monkeypatch.setattr(spool_module, "DISK_SECONDS", 20.0)
    monkeypatch.setattr(spooling_module, "DISK_MORE_SECONDS", 0.05)
    async with spooling(tmp_path, store) as bench:
        store.is_away, store.deadline_seconds = True, 0.0
        results = await bench.send("1", "2")
        hanging_disk.set()
        store.is_away = False
        await bench.until_drained()

    assert [type(result) for result in results] == [StoreUnavailable] * 2
    assert sorted(store.ids()) == ["1", "2"]


async def test_who_had_its_turn_waits_no_longer_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store hangs when a line has gone to it; that says nothing against the line."""
    store = Store()
    monkeypatch.setattr(spooling_module, "DISK_MORE_SECONDS", 0.2)
    async with spooling(tmp_path, store) as bench:
        store.is_full = True
        await bench.send("1")
        store.held, store.is_full = [], False
        await wait_until(lambda: bool(store.held), description="the last is under way")
        first, store.held = store.held, []
        store.deadline_seconds = 0.0
        sending = asyncio.create_task(bench.send("2"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for gate in first:
            gate.set_result(None)
        (late,) = await sending
        hangs = bench.spooling._line_hangs
        store.let_go()

    assert isinstance(late, StoreUnavailable)
    assert not hangs
    assert store.ids() == ["1", "2"]


async def test_one_that_cannot_be_written_leaves_the_others_in_its_line(tmp_path: Path) -> None:
    """Those behind it are told too."""
    store = Choosy()
    async with spooling(tmp_path, store) as bench:
        store.is_full = True
        await bench.send("1")
        store.held, store.is_full = [], False
        await wait_until(lambda: bool(store.held), description="the last is under way")
        sending = asyncio.create_task(bench.send("unwritable", "2"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        store.let_go()
        unwritable, stored = await sending

    assert isinstance(unwritable, ValueError)
    assert stored == Appended("1-1")
