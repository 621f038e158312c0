"""The benchmarks that judge run whole, small: they measure, judge, and leave nothing behind."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.holds.commands import CASES
from bench.lines import of_kind, read
from tests.servers import find_binary

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc"),
    pytest.mark.skipif(find_binary("redis") is None, reason="needs redis-server"),
]

ROOT = Path(__file__).parents[2]
Verdicts = dict[str, bool]
# Those that load the machine; the others ask only what was counted.
alone = pytest.mark.alone
# A machine that stands still for a moment must cost no delivery its 200.
STILL = "--deadline=8"


def run(name: str, directory: Path, *options: str) -> tuple[int, Verdicts, list[dict[str, Any]]]:
    """Run one; give its exit code, what it judged, and its lines."""
    stores = directory / "stores"
    stores.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", f"bench.holds.{name}", "--results", str(directory), *options],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(stores)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    [written] = directory.glob("*.jsonl")
    lines = read(written)[1]
    verdicts = {line["claim"]: line["holds"] for line in of_kind(lines, "verdict")}

    assert done.stderr == ""
    assert verdicts, done.stdout
    assert list(stores.iterdir()) == []
    return done.returncode, verdicts, lines


@alone
def test_memory_is_sampled_and_every_event_counted(tmp_path: Path) -> None:
    """A few thousand events."""
    code, verdicts, lines = run("memory", tmp_path, "--events=6000", "--early=500", STILL)

    assert len(verdicts) == 2
    assert verdicts["every delivery is answered 200 and stored once"]
    assert code == (0 if all(verdicts.values()) else 1)
    assert all(line["resident_bytes"] > 0 for line in of_kind(lines, "sample"))


@alone
def test_unfinished_bodies_press_on_the_gateway(tmp_path: Path) -> None:
    """Some dozens, from one address and from three."""
    options = ("--connections=60", "--addresses=3", "--seconds=0.3", "--opened=200", STILL)
    code, verdicts, lines = run("unfinished", tmp_path, *options)

    assert code == 0, verdicts
    assert [line["addresses"] for line in of_kind(lines, "end")] == [1, 3]
    assert all(line["in_hand_bytes"] > 0 for line in of_kind(lines, "end"))


@alone
def test_overload_is_told_from_what_passes(tmp_path: Path) -> None:
    """Whether this machine recovers in time is not for a test to say."""
    probes = ("--warm=0.5", "--probe=1", "--delay-ms=400")
    options = (*probes, "--seconds=1.5", "--after=1", "--again=1")
    _, verdicts, lines = run("overload", tmp_path, *options)
    *_, capacity = of_kind(lines, "capacity")

    assert len(verdicts) == 6
    assert verdicts["every 200 is in the stream exactly once"]
    assert 0 < capacity["slow_per_second"] < capacity["full_per_second"]


@alone
def test_a_restart_without_care_is_seen_to_refuse(tmp_path: Path) -> None:
    """The counter-check of what a rolling restart must not do."""
    options = ("--hard", "--restarts=1", "--every=1", "--rate=200", "--fresh=50")
    code, verdicts, lines = run("restart", tmp_path, *options)

    assert code == 1
    assert not verdicts["1 hard restarts refuse and reset nothing"]
    assert len(of_kind(lines, "restart")) == 1


@alone
def test_a_rolling_restart_refuses_nothing(tmp_path: Path) -> None:
    """Every delivery is answered 200 while the processes are replaced."""
    options = ("--restarts=1", "--every=2", "--rate=200", "--fresh=50", STILL)
    code, verdicts, lines = run("restart", tmp_path, *options)

    assert code == 0, verdicts
    assert len(of_kind(lines, "restart")) == 1
    assert of_kind(lines, "end")[0]["announced"] > 0


@alone
def test_reloads_refuse_nothing_whoever_wants_them(tmp_path: Path) -> None:
    """By signal, by command, and by a changed secret, once each."""
    options = ("--reloads=3", "--every=0.5", "--rate=150", "--fresh=50", "--processes=1", STILL)
    code, verdicts, lines = run("reload", tmp_path, *options)

    assert code == 0, verdicts
    assert len(verdicts) == 4
    assert [line["way"] for line in of_kind(lines, "reload")] == ["signal", "command", "secret"]


@alone
def test_workers_that_are_stopped_under_load_lose_nothing(tmp_path: Path) -> None:
    """Each event is handled once while workers come and go."""
    options = ("--stops=1", "--every=1", "--rate=150", "--workers=1", "--processes=2")
    code, verdicts, lines = run("stops", tmp_path, *options)

    assert code == 0, verdicts
    assert len(verdicts) == 3
    assert len(of_kind(lines, "stop")) == 1
    assert of_kind(lines, "end")[0]["handled"] > 0


@alone
def test_the_index_is_measured_against_plain_keys(tmp_path: Path) -> None:
    """In windows of two seconds, so that slices roll over; longer where the machine is slow."""
    _, verdicts, lines = run("index", tmp_path, "--only=10000", "--shorter=20")
    (part,) = of_kind(lines, "part", scenario="10000", part="steady")

    assert "bytes per id, 10,000 ids per window, steady" in verdicts
    assert "below 10,000 ids the index takes no more than plain keys" in verdicts
    assert part["bytes_per_id"]["rollovers"] >= 3
    assert part["bytes_per_id"]["plain"] > 100


def test_order_is_judged_by_what_was_handled(tmp_path: Path) -> None:
    """A few hundred events, nobody killed."""
    options = ("--events=400", "--keys=20", "--kills=0", "--behind=200", "--others=200")
    code, verdicts, lines = run("order", tmp_path, *options, "--processes=2", "--rounds=1")
    in_order = [holds for claim, holds in verdicts.items() if "order kept" in claim]

    assert len(verdicts) == 4
    assert in_order == [True]
    assert verdicts["that key's order is kept afterwards"]
    assert code == (0 if all(verdicts.values()) else 1)
    assert len(of_kind(lines, "round")) == 1


def test_a_slot_is_measured_alone_and_beside_idle_streams(tmp_path: Path) -> None:
    """A few hundred events, four idle streams."""
    code, verdicts, lines = run("slot", tmp_path, "--events=200", "--idle=4", "--rounds=1")

    assert len(verdicts) == len(of_kind(lines, "round")) == 2
    assert code == (0 if all(verdicts.values()) else 1)


def test_dead_letters_are_looked_at_redriven_and_dropped(tmp_path: Path) -> None:
    """A few hundred, beside a worker."""
    code, verdicts, lines = run("redrive", tmp_path, "--letters=500", "--rounds=1")
    (line,) = of_kind(lines, "round")

    assert len(verdicts) == 3
    assert verdicts["each letter is given back once, and the rest is dropped"]
    assert code == (0 if all(verdicts.values()) else 1)
    assert line["letters"] == 500


def test_every_command_is_run_and_judged(tmp_path: Path) -> None:
    """Over a few thousand entries; how fast this machine is, is not for a test to say."""
    options = ("--entries=3000", "--streams=20", "--waiting=100", "--letters=50", "--rounds=1")
    _, verdicts, lines = run("commands", tmp_path, *options)

    assert [line["command"] for line in of_kind(lines, "run")] == [case.name for case in CASES]
    assert len(verdicts) == 2 * len(CASES)


@alone
def test_an_outage_is_kept_on_the_disk(tmp_path: Path) -> None:
    """Some seconds of it, with a spool."""
    code, verdicts, _ = run("spool", tmp_path, "--seconds=1", "--after=0.5", "--rate=150")

    assert len(verdicts) == 3
    assert all(verdicts.values())
    assert code == 0


@alone
def test_an_outage_without_a_spool_is_answered_503(tmp_path: Path) -> None:
    """And what is sent again is there once."""
    options = ("--off", "--seconds=1", "--after=0.5", "--rate=100", "--deadline=1")
    code, verdicts, _ = run("spool", tmp_path, *options)

    assert len(verdicts) == 2
    assert all(verdicts.values())
    assert code == 0


@alone
def test_junk_is_refused_beside_what_is_genuine(tmp_path: Path) -> None:
    """A second of it: what is counted, and what the store was asked for the refusal log."""
    code, verdicts, lines = run(
        "junk", tmp_path, "--seconds=1", "--rounds=1", "--probe=1", "--looked=2"
    )

    slower = "junk at most doubles the 99th percentile of the genuine"
    assert {claim for claim, holds in verdicts.items() if not holds} <= {slower}
    assert len(verdicts) == 6
    assert code == (0 if all(verdicts.values()) else 1)
    assert [line["junk"] for line in of_kind(lines, "round")] == [False, True]
