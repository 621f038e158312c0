"""The benchmark runs from its command line, on the real programs, and checks what it measured."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.disk import file_system
from bench.failures import UnfitFileSystem
from bench.tools import BASE, find

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(any(find(tool) is None for tool in BASE), reason="needs wrk, redis-server"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]


def quick(bench: str, directory: Path, *options: str) -> tuple[int, str, list[dict[str, object]]]:
    """Run a benchmark for a look; give its exit code, what it said, and its lines."""
    try:
        file_system(directory)
    except UnfitFileSystem as unfit:
        pytest.skip(str(unfit))
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
