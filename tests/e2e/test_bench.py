"""The benchmark runs from its command line, on the real programs, and checks what it measured."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.disk import file_system
from bench.failures import UnfitFileSystem
from bench.residence import tree
from bench.tools import BASE, find
from tests.servers import wait_until_sync

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.alone,
    pytest.mark.e2e,
    pytest.mark.skipif(any(find(tool) is None for tool in BASE), reason="needs wrk, redis-server"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]


def skip_unless_fit(directory: Path) -> None:
    """Pass over a test where the benchmark would rightly refuse to run."""
    try:
        file_system(directory)
    except UnfitFileSystem as unfit:
        pytest.skip(str(unfit))


def quick(bench: str, directory: Path, *options: str) -> tuple[int, str, list[dict[str, object]]]:
    """Run a benchmark for a look; give its exit code, what it said, and its lines."""
    skip_unless_fit(directory)
    places = [f"--directory={directory / 'stores'}", f"--results={directory / 'results'}"]
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{bench}", "--quick", *places, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    kept = (directory / "results" / f"{bench}.jsonl").read_text("utf-8").splitlines()
    return done.returncode, done.stdout + done.stderr, [json.loads(line) for line in kept]


@pytest.mark.parametrize("bench", ["ingress", "latency"])
def test_a_quick_run_measures_and_leaves_nothing(tmp_path: Path, bench: str) -> None:
    """Every contender has a line without a fault, a drawing is there, the stores are gone."""
    code, said, (header, *rounds) = quick(bench, tmp_path, "--only=A,D everysec")

    assert code == 0, said
    assert header["bench"] == bench
    assert [line["contender"] for line in rounds if line.get("load") != "as fast as it can"] == [
        "A",
        "D everysec",
    ]
    assert [line["faults"] for line in rounds] == [[]] * len(rounds)
    assert all(line["entries"] == line["distinct"] for line in rounds if "entries" in line)
    assert (tmp_path / "results" / f"{bench}.svg").read_text("utf-8").endswith("</svg>\n")
    assert list((tmp_path / "stores").iterdir()) == []


def test_a_quick_run_over_senders_measures_each_at_one_gateway(tmp_path: Path) -> None:
    """Each is shown to be verified and stored as it should be, and has a line without a fault."""
    code, said, (_, *rounds) = quick("senders", tmp_path, "--only=standard-webhooks,meta")

    assert code == 0, said
    assert [line["contender"] for line in rounds] == ["standard-webhooks", "meta"]
    assert [line["faults"] for line in rounds] == [[], []]
    assert all(line["entries"] == line["distinct"] for line in rounds)


def test_a_run_that_is_told_to_end_again_and_again_leaves_no_process(tmp_path: Path) -> None:
    """Further signals, while the first is obeyed, leave nothing behind."""
    skip_unless_fit(tmp_path)
    command = [sys.executable, "-m", "bench.ingress", "--only=A,D everysec", "--seconds=1"]
    places = [f"--directory={tmp_path / 'stores'}", f"--results={tmp_path / 'results'}"]
    running = subprocess.Popen(
        [*command, "--patience=0", *places], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        running.stdout.readline()  # the first round's first line: everybody is up
        family = tree(running.pid)

        def told_and_ended() -> bool:
            running.send_signal(signal.SIGTERM)
            return running.poll() is not None

        wait_until_sync(told_and_ended, deadline_seconds=60, description="it ended")

        assert running.returncode == 130
    finally:
        running.kill()
        running.communicate()
    assert len(family) >= 4  # itself, A, the relay and its store
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
    assert list((tmp_path / "stores").glob("ingress-*")) == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no file system in memory")
def test_a_file_system_in_memory_is_refused() -> None:
    """Exit code 2, and what to do."""
    place = Path("/dev/shm") / f"bench-{os.getpid()}"
    place.mkdir()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.shapes", "--quick", f"--directory={place}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        shutil.rmtree(place)

    assert done.returncode == 2
    assert "--directory" in done.stderr
