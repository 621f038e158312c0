"""A spool whose disk is full or hangs: refused as the store did, nothing lost, and it goes on."""

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from relay.contract.errors import StoreUnavailable
from relay.contract.event import Appended, Spooled
from relay.spool import breaker
from relay.spool import spool as spool_module
from relay.spool import spooling as spooling_module
from relay.spool.file import Changes, SpoolFile
from tests.making import make_identified
from tests.relay.spool.parts import A, Bench, Store, crash, endings, spooling
from tests.waiting import wait_until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this user may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


async def test_a_full_disk_refuses_and_what_it_has_goes_in(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beyond it gets its 503; what was taken is drained though nothing can be removed."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    store = Store()
    async with spooling(small_disk, store) as bench:
        store.is_away = True
        accepted, refused = [], 0
        for n in range(200):
            try:
                event = make_identified(f"{n}", data=b"x" * 10_000)
                assert await bench.spooling.append(event) == Spooled()
                accepted.append(f"{n}")
            except StoreUnavailable:
                refused += 1
        was_writable = bench.spool.is_writable
        store.is_away = False
        await bench.until_drained()
        await wait_until(lambda: bench.spool.is_writable, description="there is room again")
        store.is_away = True
        await bench.send("with room")
        again = await bench.send("more")
        store.is_away = False
        await bench.until_drained()

    assert 10 < len(accepted) < 100
    assert refused == 200 - len(accepted)
    assert not was_writable
    assert store.ids() == [*accepted, "with room", "more"]
    assert again == [Spooled()]
    assert "disk" in bench.heard.failures
    assert endings(small_disk) == []


def waiting_for(goes_on: threading.Event) -> Callable[[SpoolFile, Changes], None]:
    """Give what writes for a disk that says nothing for as long as the test wants."""
    write = SpoolFile.write

    def write_late(file: SpoolFile, changes: Changes) -> None:
        goes_on.wait(20)
        write(file, changes)

    return write_late


async def test_a_disk_that_hangs_holds_no_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered 503 in time, and the next ones at once; what the disk takes after all goes."""
    store, goes_on = Store(), threading.Event()
    monkeypatch.setattr(spool_module, "DISK_SECONDS", 0.05)
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        with monkeypatch.context() as patched:
            patched.setattr(SpoolFile, "write", waiting_for(goes_on))
            (late,) = await bench.send("1")
            was_writable, events = bench.spool.is_writable, bench.spool.events
            patched.setattr(spool_module, "DISK_SECONDS", 20.0)
            (next_one,) = await bench.send("2")
            goes_on.set()
            await wait_until(lambda: bench.spool.is_writable, description="the disk goes on")
        (kept,) = await bench.send("3")
        store.is_away = False
        await bench.until_drained()

    assert (was_writable, events) == (False, 1)
    assert [type(late), type(next_one), kept] == [StoreUnavailable, StoreUnavailable, Spooled()]
    assert bench.heard.failures == ["disk"]
    assert store.ids() == ["1", "3"]


async def test_a_disk_that_hangs_is_seen_though_no_sender_waits_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the memory would fill with what nobody waits for any more."""
    store, goes_on = Store(), threading.Event()
    monkeypatch.setattr(spool_module, "DISK_SECONDS", 0.05)
    async with spooling(tmp_path, store) as bench:
        store.is_away = True
        monkeypatch.setattr(SpoolFile, "write", waiting_for(goes_on))
        sending = asyncio.create_task(bench.send("1"))
        await wait_until(lambda: bench.spool.events == 1, description="it is on its way")
        sending.cancel()
        await wait_until(lambda: not bench.spool.is_writable, description="it hangs")
        monkeypatch.setattr(spool_module, "DISK_SECONDS", 20.0)
        (next_one,) = await bench.send("2")
        goes_on.set()

    assert sending.cancelled()
    assert isinstance(next_one, StoreUnavailable)


async def test_a_disk_that_hangs_while_it_is_drained_holds_no_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do those of a stream whose last events are on their way, behind which they wait."""
    store, write, goes_on = Store(), SpoolFile.write, threading.Event()

    def write_late(file: SpoolFile, changes: Changes) -> None:
        """Say nothing when it is written down what is about to be sent."""
        if changes.tried:
            goes_on.wait(20)
        write(file, changes)

    monkeypatch.setattr(spooling_module, "DISK_MORE_SECONDS", 0.05)
    monkeypatch.setattr(spool_module, "DISK_SECONDS", 0.05)
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    first = Bench(tmp_path, store)
    await first.spooling.start()
    store.is_away = True
    await first.send("1")
    await crash(first)
    store.is_away = False
    monkeypatch.setattr(SpoolFile, "write", write_late)
    async with spooling(tmp_path, store) as bench:
        await wait_until(lambda: A in bench.spool.backlog.lines, description="a line was formed")
        store.deadline_seconds = 0.0
        (late,) = await bench.send("2")
        store.deadline_seconds = 20.0
        (next_one,) = await bench.send("3")
        await wait_until(lambda: not bench.spool.is_writable, description="it is said")
        goes_on.set()
        await wait_until(lambda: store.ids() == ["1", "2"], description="they go their way")
        (stored,) = await bench.send("4")

    assert [type(late), type(next_one)] == [StoreUnavailable, StoreUnavailable]
    assert stored == Appended("1-1")
    assert bench.heard.failures == ["disk"]
    assert store.ids() == ["1", "2", "4"]
