"""Spool files that go, or are damaged, while a process has them open."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.contract.errors import StoreUnavailable
from relay.contract.event import Appended, Spooled
from relay.spool import breaker, drain
from relay.spool import spooling as spooling_module
from relay.spool.file import SpoolFile
from relay.spool.named import Named
from relay.spool.open_file import OpenFile
from relay.spool.row import Row
from tests.relay.spool.parts import (
    A,
    B,
    Bench,
    Store,
    crash,
    crashing,
    endings,
    event,
    spooling,
)
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the store again at once, and tend only where a test says so."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(spooling_module, "LAST_TRY_SECONDS", 0.1)
    monkeypatch.setattr(spooling_module, "TEND_SECONDS", 3600.0)


def remove_all(directory: Path) -> None:
    """Remove the directory."""
    shutil.rmtree(directory)


def remove_database(directory: Path) -> None:
    """Remove the database alone."""
    next(directory.glob("*.db")).unlink()


def remove_log(directory: Path) -> None:
    """Remove what has not been moved into the database."""
    next(directory.glob("*.db-wal")).unlink()


def replace(directory: Path) -> None:
    """Put a copy in the place of the database."""
    database = next(directory.glob("*.db"))
    shutil.copy(database, directory / "copy")
    os.replace(directory / "copy", database)  # noqa: PTH105 - of two names


@pytest.mark.parametrize("act", [remove_all, remove_database, remove_log, replace])
async def test_a_file_without_its_name_keeps_nothing(
    tmp_path: Path, act: Callable[[Path], None]
) -> None:
    """An event that would go with the process is not answered 200; the next file takes it."""
    store, path = Store(), tmp_path / "spool"
    async with spooling(path, store) as bench:
        store.is_away = True
        before = await bench.send("1")
        act(path)
        (refused,) = await bench.send("2")
        await bench.spool.tend()
        after = await bench.send("2", "3")
        files = [each.file.path for each in bench.spool.files if each.events]
        store.is_away = False
        await bench.until_drained()
        size_bytes = bench.spool.size_bytes

    assert before == [Spooled()]
    assert isinstance(refused, StoreUnavailable)
    assert after == [Spooled()] * 2
    assert len(files) == 2
    assert store.ids() == ["1", "2", "3"], "what is still open is sent"
    assert size_bytes == 0
    assert files[0].exists() == (act in (remove_log, replace)), "what is there is another's"


async def test_a_file_that_goes_while_it_is_synced_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told 200, and what is written is sent, and counted, once."""
    store, check = Store(), Named.check

    def check_and_remove(named: Named) -> None:
        """Have somebody remove the database behind the first look."""
        check(named)
        remove_database(tmp_path)

    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        with monkeypatch.context() as patched:
            patched.setattr(Named, "check", check_and_remove)
            (refused,) = await bench.send("1")
        await bench.spool.tend()
        kept = await bench.send("2")
        took, counts = bench.spool.took, list[int]()

        def took_and_counted(file: OpenFile, row: Row) -> None:
            """See how many are left after each."""
            took(file, row)
            counts.append(bench.spool.events)

        monkeypatch.setattr(bench.spool, "took", took_and_counted)
        store.is_away = False
        await bench.until_drained()
        await wait_until(lambda: len(counts) == 2, description="both are sent")

    assert isinstance(refused, StoreUnavailable)
    assert kept == [Spooled()]
    assert store.ids() == ["1", "2"]
    assert counts == [1, 0]


async def test_a_file_whose_name_goes_in_silence_is_replaced(tmp_path: Path) -> None:
    """Also while nothing comes: it is looked for every few seconds."""
    store, path = Store(), tmp_path / "spool"
    async with crashing(path, store) as first:
        store.is_away = True
        await first.send("1")
        remove_database(path)
        await first.spool.tend()
        (kept,) = await first.send("2")
    store.is_away = False
    async with spooling(path, store) as second:
        await second.until_drained()

    assert kept == Spooled()
    assert store.ids() == ["2"]


async def test_why_no_file_can_be_made_is_said_by_the_system_s_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, read-only, or without the right: each is mended in another way."""

    def refuse(_: Path) -> SpoolFile:
        """Let nothing be made."""
        raise PermissionError

    monkeypatch.setattr(SpoolFile, "make", refuse)
    bench = Bench(tmp_path, Store())
    with capture_logs() as logs:
        await bench.spool.start()
        await bench.spool.finish()

    failed = [line["error"] for line in logs if line["event"] == "spool_disk_failed"]
    assert failed == ["PermissionError"]


async def test_a_file_that_was_put_away_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    """It is gone because it was empty, and nobody need be told."""
    async with spooling(tmp_path, Store()) as bench:
        own = bench.spool._own
        assert own is not None
        bench.spool._own = None
        await bench.spool._have_own()
        bench.spool._taken.append(own)
        await bench.spool.put_away(own)
        await bench.spool._try_own(own)
        failures = list(bench.heard.failures)

    assert failures == []
    assert endings(tmp_path) == []


def damage(directory: Path) -> None:
    """Overwrite every database and its log, from the first byte on."""
    for path in (*directory.glob("*.db"), *directory.glob("*.db-wal")):
        with path.open("r+b") as file:
            file.write(b"\0" * path.stat().st_size)


async def test_a_file_that_is_damaged_meanwhile_holds_up_nothing(tmp_path: Path) -> None:
    """It is named and left, and the events of its streams go to the store again."""
    store = Store()
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send(*[f"{n}" for n in range(50)])
        await bench.send("b", stream=B)
        damaged = bench.spool.files[-1]
        # A longer file would not be in its memory anyway.
        await bench.spool.in_thread(damaged.file._connection.execute, "PRAGMA shrink_memory")
        damage(tmp_path)
        with capture_logs() as logs:
            store.is_away = False
            await wait_until(lambda: damaged not in bench.spool.files, description="set aside")
            await bench.until_drained()
            await wait_until(lambda: not bench.spooling._breakers.any_open, description="goes on")
        after = await bench.send("after"), await bench.send("after-b", stream=B)
        store.is_away = True
        kept = await bench.send("kept")
        store.is_away = False
        await bench.until_drained()

    named = [line["file"] for line in logs if line["event"] == "spool_file_unreadable"]

    assert named == [damaged.file.path.name]
    assert [line for line in logs if line["event"] == "duty_failed"] == []
    assert after == ([Appended("1-1")], [Appended("1-1")])
    assert kept == [Spooled()]
    assert damaged.file.path.exists()


async def test_damage_behind_what_was_sent_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is written to what was set aside; that would be trouble with the disk."""
    store, read = Store(), SpoolFile.read
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)

    def read_or_not(file: SpoolFile, after: int, *limits: int) -> list[Row]:
        """Find damage behind the first rows."""
        if after:
            error = sqlite3.DatabaseError()
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        return read(file, after, *limits)

    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        await bench.send("1", "2", "3")
        monkeypatch.setattr(SpoolFile, "read", read_or_not)
        store.is_away = False
        await bench.until_drained()
        # It has gone on behind the damage by then.
        (after,) = await bench.send("after")

    assert after == Appended("1-1")
    assert store.ids() == ["1", "2", "after"]
    assert bench.heard.failures == ["disk"]


async def test_an_orphan_that_is_damaged_inside_holds_up_no_other(tmp_path: Path) -> None:
    """Its census can be taken; only reading it shows what it is."""
    store = Store()
    store.is_away = True
    for event_id in ("1", "2"):
        bench = Bench(tmp_path, store)
        await bench.spool.start()
        await bench.spool.keep(event(event_id, A), tried=False)
        if event_id == "1":
            big = [event(f"{n}", data=b"x" * 9000) for n in range(20)]
            for each in big:
                await bench.spool.keep(each, tried=False)
            first = bench.spool.files[-1].file.path
        await crash(bench)
    content = first.read_bytes()
    # The pages behind the first few hold the events; the index lies before them.
    first.write_bytes(content[: 4096 * 5] + b"\xff" * (len(content) - 4096 * 5))
    store.is_away = False
    async with spooling(tmp_path, store) as bench:
        await wait_until(lambda: "2" in store.ids(), description="the other is drained")
        await bench.until_drained()

    assert first.exists()


async def test_a_lock_that_cannot_be_opened_keeps_no_other_file_back(tmp_path: Path) -> None:
    """Another user's, say: the file is named once, and those beside it are drained."""
    store = Store()
    async with crashing(tmp_path, store) as first:
        store.is_away = True
        await first.send("1")
    (tmp_path / "other.db").write_bytes(b"")
    (tmp_path / "other.lock").mkdir()
    store.is_away = False
    with capture_logs() as logs:
        async with spooling(tmp_path, store) as bench:
            await bench.until_drained()
            await bench.spool.tend()

    assert store.ids() == ["1"]
    assert [line["file"] for line in logs if line["log_level"] == "error"] == ["other.db"]
