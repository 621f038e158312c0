"""Spool files: what is written stays, whose they are, and what is none of them."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.contract.errors import ConfigurationFault
from relay.spool.directory import Directory
from relay.spool.file import Changes, SpoolFile
from relay.spool.lock import Lock, is_held, take
from relay.spool.opening import UnreadableFile
from relay.spool.place import judge_place
from relay.spool.row import Row, Stream, UnreadableRow, decode, encode
from relay.spool.status import look
from relay.spool.taking import Taking
from tests.relay.spool.parts import A, B, event


def row(sequence: int, stream: Stream = A, *, tried_at_ms: int | None = None) -> Row:
    """Make a row of some hundred bytes."""
    return Row(sequence, stream, encode(event(f"{sequence}", stream)), 1000 + sequence, tried_at_ms)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpoolFile]:
    """A new file."""
    made = SpoolFile.make(tmp_path / "a.db")
    yield made
    made.close()


def test_an_event_comes_back_as_it_was() -> None:
    """Every attribute, bytes and text, identity and window."""
    identified = event("é\x00", data=bytes(range(256)), kind="bodies", window_seconds=600)

    assert decode(encode(identified)) == identified


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x90", b"\x81\xa3tag\x01", bytes(range(256))])
def test_what_is_no_event_is_said_to_be_none(garbage: bytes) -> None:
    """Whatever lies in a row, nothing but this escapes."""
    with pytest.raises(UnreadableRow):
        decode(garbage)


def test_rows_come_back_in_order(file: SpoolFile) -> None:
    """By place, within a bound of number and of bytes, and by stream."""
    rows = [row(n, A if n % 2 else B, tried_at_ms=7 if n == 3 else None) for n in range(1, 7)]
    file.write(Changes(kept=rows))

    assert file.read(0, 10, 10**6) == rows
    assert file.read(2, 2, 10**6) == rows[2:4]
    assert file.read(0, 10, 2 * rows[0].size_bytes) == rows[:2]
    assert file.read(0, 10, 1) == rows[:1]
    assert file.read_stream(A, (0, 4), 10, 10**6) == [rows[0], rows[2]]
    assert file.read_stream(A, (1, 4), 10, 10**6) == [rows[2]]
    assert file.last_sequence() == 6
    assert [(each.stream, each.events) for each in file.census()] == [(B, 3), (A, 3)]
    assert sum(each.size_bytes for each in file.census()) == sum(each.size_bytes for each in rows)


def test_what_is_written_is_there_when_the_process_is_gone(tmp_path: Path) -> None:
    """Read by another, nothing having been closed."""
    program = (
        "import os\nfrom pathlib import Path\n"
        "from relay.spool.file import Changes, SpoolFile\n"
        "from tests.relay.spool.test_files import row\n"
        f"file = SpoolFile.make(Path({str(tmp_path / 'a.db')!r}))\n"
        "file.write(Changes(kept=[row(1), row(2)]))\n"
        "file.write(Changes(tried=[(2, 9)], gone=[1]))\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    opened = SpoolFile.open(tmp_path / "a.db")

    assert opened.read(0, 10, 10**6) == [row(2, tried_at_ms=9)]
    opened.close()


def test_a_commit_waits_for_the_disk(file: SpoolFile) -> None:
    """The settings that make it so; without them a power cut would take what was confirmed."""
    ask = file._connection.execute

    assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ask("PRAGMA synchronous").fetchone() == (2,)


def test_a_write_that_fails_changes_nothing(file: SpoolFile) -> None:
    """All or nothing, and the file goes on."""
    file.write(Changes(kept=[row(1)]))
    with pytest.raises(sqlite3.IntegrityError):
        file.write(Changes(kept=[row(2), row(1)]))
    file.write(Changes(kept=[row(3)]))

    assert [each.sequence for each in file.read(0, 10, 10**6)] == [1, 3]


def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    """Directory, database, its log, and the lock."""
    directory = Directory(tmp_path / "new" / "spool")
    directory.prepare()
    made = Taking(directory).make()
    made.file.write(Changes(kept=[row(1)]))
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in directory.path.iterdir()}
    made.file.close()
    made.lock.release()

    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}
    assert {".db", ".lock", ".db-wal"} <= set(modes)


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The setting, the path, and what the system said."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationFault, match=r"spool\.directory .*file/spool cannot be used"):
        Directory(tmp_path / "file" / "spool").prepare()


def test_a_lock_is_anothers_until_its_process_ends(tmp_path: Path) -> None:
    """One holds it; another may have it when that one is gone."""
    path = tmp_path / "a.lock"
    first = take(path, make=True)
    assert first is not None

    assert take(path) is None
    assert is_held(path)
    first.release()
    assert not is_held(path)


def test_a_lock_whose_file_was_removed_is_worth_nothing(tmp_path: Path) -> None:
    """Who had opened the file before it was removed must not believe that it holds the name."""
    path = tmp_path / "a.lock"
    first = take(path, make=True)
    assert first is not None
    opened: list[int] = []
    real = os.open

    def slowly(name: Path, *arguments: int) -> int:
        """Have the file removed between opening and locking it."""
        descriptor = real(name, *arguments)
        if not opened:
            opened.append(descriptor)
            first.remove()
        return descriptor

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", slowly)

        assert take(path, make=True) is None
    assert not is_held(path)


def test_only_files_of_dead_processes_are_taken(tmp_path: Path) -> None:
    """Neither those that another holds nor one's own; and a lock that was left alone goes."""
    directory = Directory(tmp_path)
    held, dead = Taking(directory).make(), Taking(directory).make()
    dead.file.write(Changes(kept=[row(1), row(2, B)]))
    dead.file.close()
    dead.lock.release()
    (tmp_path / "alone.lock").write_text("")
    taken = Taking(directory).take_orphans({held.name})
    again = Taking(directory).take_orphans({held.name})

    assert [each.name for each in taken] == [dead.name]
    assert [each.stream for each in taken[0].census] == [B, A]
    assert again == []
    assert not (tmp_path / "alone.lock").exists()
    for each in (held, *taken):
        Taking(directory).remove(each.lock, each.file)
    assert list(tmp_path.iterdir()) == []


def foreign(path: Path) -> None:
    """Make a database of somebody else's."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()


def damaged(path: Path) -> None:
    """Make a file of ours whose pages are overwritten."""
    file = SpoolFile.make(path)
    file.write(Changes(kept=[row(n) for n in range(1, 200)]))
    file.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def garbage(path: Path) -> None:
    """Make something else."""
    path.write_bytes(b"no database at all" * 100)


def newer(path: Path) -> None:
    """Make a file of a form that is not known yet."""
    file = SpoolFile.make(path)
    file._connection.execute("PRAGMA user_version = 99")
    file.close()


@pytest.mark.parametrize("make", [foreign, damaged, garbage, newer])
def test_what_is_no_spool_file_is_named_and_left(tmp_path: Path, make: object) -> None:
    """It is said once, and not a byte of it is changed."""
    path = tmp_path / "a.db"
    assert callable(make)
    make(path)
    before = path.read_bytes()
    taking = Taking(Directory(tmp_path))
    with capture_logs() as logs:
        taken = [taking.take_orphans(()), taking.take_orphans(())]
    status = look(Directory(tmp_path))

    assert taken == [[], []]
    assert [(line["event"], line["file"]) for line in logs] == [("spool_file_unreadable", "a.db")]
    assert [(each.name, each.state) for each in status] == [("a.db", "unreadable")]
    assert path.read_bytes() == before


@pytest.mark.parametrize("ending", ["lock", "db"])
def test_a_file_that_cannot_be_opened_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """The others are taken, it is said once, and it is taken when it can be."""
    directory = Directory(tmp_path)
    made = [Taking(directory).make() for _ in range(3)]
    for number, each in enumerate(made):
        each.file.write(Changes(kept=[row(1)]))
        each.file.close()
        each.lock.release()
        os.utime(directory.lock(each.name), (number, number))
    refused = getattr(directory, {"lock": "lock", "db": "database"}[ending])(made[1].name)
    open_file = SpoolFile.open

    def take_or_not(path: Path, **options: bool) -> Lock | None:
        """Let everything be locked but one."""
        if path == refused:
            raise PermissionError
        return take(path, **options)

    def open_or_not(path: Path) -> SpoolFile:
        """Let everything be opened but one."""
        return open_file(path.with_name("none.db") if path == refused else path)

    taking = Taking(directory)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr("relay.spool.taking.take", take_or_not)
        patched.setattr(SpoolFile, "open", open_or_not)
        taken = taking.take_orphans(())
        taken += taking.take_orphans(())
    late = taking.take_orphans(())
    for each in (*taken, *late):
        each.file.close()
        each.lock.release()

    assert [each.name for each in taken] == [made[0].name, made[2].name]
    assert [each.name for each in late] == [made[1].name]
    assert [line["event"] for line in logs] == ["spool_file_unreadable"]


def test_a_file_whose_maker_was_killed_is_empty(tmp_path: Path) -> None:
    """There was nothing in it yet, so nothing is wrong with it."""
    (tmp_path / "a.db").write_bytes(b"")
    states = [each.state for each in look(Directory(tmp_path))]
    (taken,) = Taking(Directory(tmp_path)).take_orphans(())

    assert states == ["orphan"]
    assert taken.census == []
    taken.file.close()
    taken.lock.release()


def test_looking_changes_nothing(file: SpoolFile) -> None:
    """While its owner writes it can be looked at, and not written to by that."""
    file.write(Changes(kept=[row(1)]))
    seen = SpoolFile.look_at(file.path)
    with pytest.raises(sqlite3.OperationalError):
        seen.write(Changes(kept=[row(2)]))
    file.write(Changes(kept=[row(3)]))

    assert seen.census()[0].events == 2
    seen.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Who only opens makes nothing."""
    with pytest.raises(UnreadableFile):
        SpoolFile.open(tmp_path / "a.db")

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_a_restart_empties_is_doubted(tmp_path: Path) -> None:
    """The kind of file system is that of the nearest mount, and of the last of several there."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"2 1 0:1 / {tmp_path.parent} rw - ext4 /dev/sdb rw\n"
        f"3 1 0:2 / {tmp_path.parent} rw shared:1 - tmpfs tmpfs rw\n"
        f"4 1 0:3 / {tmp_path}\\040other rw - overlay overlay rw\n"
    )
    (tmp_path.parent / f"{tmp_path.name} other").mkdir()

    assert Directory(tmp_path).filesystem(mounts) == "tmpfs"
    assert Directory(Path("/")).filesystem(mounts) == "ext4"
    assert Directory(Path(f"{tmp_path} other")).filesystem(mounts) == "overlay"
    assert Directory(tmp_path).filesystem(tmp_path / "none") is None


def test_a_disk_without_the_room_is_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less free than the spool may come to hold, or a kind that passes."""
    directory = Directory(tmp_path)
    monkeypatch.setattr(Directory, "filesystem", lambda _: "ext4")
    monkeypatch.setattr(Directory, "free_bytes", lambda _: 1000)

    assert [doubt.advice for doubt in judge_place(directory, 2000)] == [
        "make room, or lower spool.max_bytes"
    ]
    assert judge_place(directory, 900) == []
    monkeypatch.setattr(Directory, "filesystem", lambda _: "overlay")
    assert [doubt.advice for doubt in judge_place(directory, 900)] == [
        "put it on a volume that stays"
    ]
