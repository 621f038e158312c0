"""What a benchmark says of the machine: file system, processes, what senders print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cpu
from bench.disk import confirmation, file_system
from bench.edge import exit_code_of
from bench.failures import SenderFailed, UnfitFileSystem
from bench.lines import RESULTS
from bench.options import SCRATCH, parse
from bench.residence import peak_bytes, tree
from bench.tools import find, require
from bench.wrk import read_answers

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /dev rw - devtmpfs devtmpfs rw
24 23 0:21 / /dev/shm rw,nosuid - tmpfs tmpfs rw
25 22 0:30 / /layers rw - overlay overlay rw,lowerdir=/a
26 25 254:1 / /layers/volume\\040one rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("directory", "kind"), [("/srv", "ext4"), ("/layers/volume one/x", "xfs"), ("/device", "ext4")]
)
def test_the_file_system_is_that_of_the_nearest_mount(directory: str, kind: str) -> None:
    """A mount below another hides it; a name that only begins alike does not."""
    assert file_system(Path(directory), MOUNTS) == kind


@pytest.mark.parametrize(("directory", "kind"), [("/dev/shm/x", "tmpfs"), ("/layers", "overlay")])
def test_memory_and_layers_are_refused(directory: str, kind: str) -> None:
    """With what it is, and what to do."""
    with pytest.raises(UnfitFileSystem, match=rf"is on {kind}: .* --directory"):
        file_system(Path(directory), MOUNTS)


def test_confirming_a_write_takes_time_and_leaves_nothing(tmp_path: Path) -> None:
    """p50 is not above p99."""
    taken = confirmation(tmp_path)

    assert 0 <= taken.p50_ms <= taken.p99_ms
    assert list(tmp_path.iterdir()) == []


def test_a_process_is_counted_with_its_children() -> None:
    """CPU time and memory of a tree are those of all in it."""
    child = subprocess.Popen(
        [sys.executable, "-c", "sum(range(3_000_000)); print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()

        assert set(tree(os.getpid())) >= {os.getpid(), child.pid}
        assert cpu.cpu_ns(child.pid) > 0
        assert cpu.cpu_ns(os.getpid()) > cpu.cpu_ns(child.pid) // 2
        assert peak_bytes(os.getpid()) > peak_bytes(child.pid) > 1_000_000
        assert cpu.machine_busy_ns() > 0
    finally:
        child.communicate(b"\n")
    assert tree(child.pid) == [child.pid]
    assert cpu.cpu_ns(child.pid) == 0
    assert cpu.own_busy_ns() > 0


def test_answers_are_read_from_what_wrk_prints() -> None:
    """From the line of our script, whatever stands around it."""
    line = (
        'RESULT {"calls":110,"wrapped":0,"answers":100,"refused":2,"broken":0,'
        '"duration_us":500000,"p50_us":1,"p99_us":2,"p999_us":3}'
    )
    answers = read_answers(f"Running 1s test\n{line}\n")

    assert (answers.accepted, answers.events_per_second) == (98, 196)


def test_a_sender_that_says_nothing_has_failed() -> None:
    """What it complained of is in the message."""
    with pytest.raises(SenderFailed, match="unable to connect"):
        read_answers("", "unable to connect to 127.0.0.1")


def test_short_and_partial_runs_leave_the_kept_lines_alone() -> None:
    """Only a whole run is held against the bars."""
    whole = parse("", [], rounds=7, seconds=3)
    quick, some = (parse("", words, rounds=7, seconds=3) for words in (["--quick"], ["--only=A,D"]))

    assert (whole.results, whole.is_whole, whole.rounds) == (RESULTS, True, 7)
    assert (quick.results, quick.is_whole, quick.rounds) == (SCRATCH, False, 1)
    assert (some.results, some.is_whole) == (SCRATCH, False)
    assert [some.wants(name) for name in ("A", "B", "D always")] == [True, False, True]


def test_missing_tools_are_named_by_their_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them at once; exit code 2."""
    monkeypatch.setenv("PATH", "")

    def work() -> int:
        require(["wrk", "redis-server"], ["no_such_module_of_ours"])
        return 0

    code, said = exit_code_of(work), capsys.readouterr().err

    assert code == 2
    assert "apt-get install wrk)" in said
    assert "apt-get install redis-server)" in said
    assert "no_such_module_of_ours" in said
    assert find("wrk") is None
