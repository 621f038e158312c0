"""Workers that are compared: what is counted, what is judged, which settings are tried."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from bench.consume import tally, workers
from bench.consume.ask import Ask, asked
from bench.consume.steady import Steady, steady
from bench.consume.sweep import GRIDS, Settings, climb
from bench.consume.tables import bars, best_of, reached, swept, tables
from bench.consume.tally import Tally
from bench.consume.turn import faults_of
from bench.consume.workers import (
    BARE,
    DEFAULTS,
    HUNDRED,
    MANY,
    ONE,
    PEERS,
    RELAY,
    best,
    contenders,
)
from bench.lines import Line
from tests.bench.test_figures import HEADER

TALLY_MARKS = 10


def test_a_worker_reads_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the environment, whatever is in it."""
    ask = Ask(url="redis://x", events=7, handler="1 ms", settings={"a": None}, report="/r")
    for name, value in ask.variables().items():
        monkeypatch.setenv(name, value)

    assert asked() == ask


async def test_the_tally_reports_once_all_are_handled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How many, how many of them differ, and clocks that never go back."""
    monkeypatch.setattr(tally, "_MARKS", TALLY_MARKS)
    report = tmp_path / "report.json"
    counted = Tally(Ask(url="", events=100, report=str(report)))
    for number in range(99):
        await counted.handle({"id": f"evt_{number % 98}"})
    was_there = report.exists()
    await counted.handle({"id": "evt_99"})
    said = json.loads(report.read_text("utf-8"))

    assert not was_there
    assert (said["handled"], said["distinct"]) == (100, 99)
    assert [count for count, _, _ in said["marks"]] == list(range(10, 101, 10))
    assert all(a <= b for a, b in itertools.pairwise(said["marks"]))


@pytest.mark.parametrize(
    ("distinct", "left", "count"), [(100, 0, 0), (99, 0, 1), (100, 1, 1), (99, 1, 2)]
)
def test_lost_and_unsettled_events_are_faults(distinct: int, left: int, count: int) -> None:
    """As many handled as there were is not enough, if one of them came twice."""
    assert len(faults_of(100, {"handled": 100, "distinct": distinct}, left)) == count


def test_start_and_end_do_not_count() -> None:
    """A slow first fifth and a slow end leave the rate and the cost of the middle as they are."""
    slow_ns, fast_ns = 1_000_000_000, 10_000_000
    marks, now, cpu = [], 0, 0
    for number in range(1, 101):
        is_middle = 20 <= number <= 95
        now += fast_ns if is_middle else slow_ns
        cpu += 5_000_000 if is_middle else slow_ns
        marks.append((number * 100, now, cpu))

    assert steady(marks) == Steady(events=7400, seconds=0.74, per_second=10_000.0, cpu_us=50.0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_marks_still_give_a_rate(count: int) -> None:
    """Two looks at the clock are enough."""
    marks = [(number * 10, number * 1_000_000_000, number * 1_000_000) for number in range(count)]

    assert steady(marks).per_second == 10.0


def test_one_look_at_the_clock_is_refused() -> None:
    """There is no rate in it."""
    with pytest.raises(ValueError, match="between two looks"):
        steady([(1, 1, 1)])


def test_the_sweep_keeps_what_helps_and_leaves_the_rest_at_its_default() -> None:
    """One setting after the other, each with the best before it; noise chooses nothing."""
    tried: list[Settings] = []

    def rate_of(settings: Settings) -> float:
        tried.append(settings)
        gain = {10: 1.2, 100: 1.5, 1000: 1.4}.get(settings.get("prefetch", 0), 1.0)
        noise = 1.02 if "noise" in settings else 1.0
        # Helps only beside what was found before.
        return 100 * gain * noise * (2 if settings.get("late") and gain == 1.5 else 1)

    grid: dict[str, tuple[Any, ...]] = {"prefetch": (10, 100, 1000), "noise": (1,), "late": (True,)}
    found, rate = climb(rate_of, {"concurrency": 100}, grid)

    assert found == {"concurrency": 100, "prefetch": 100, "late": True}
    assert rate == 300.0
    assert all(settings["concurrency"] == 100 for settings in tried)
    assert len(tried) == 6


def test_best_settings_are_known_for_everyone_and_could_be_found_by_the_sweep() -> None:
    """For each handler, with one in flight and with a hundred; no setting that it never tries."""
    for worker in MANY:
        grid = GRIDS[worker.name]
        for handler in ("no-op", "1 ms"):
            for number, variant in ((1, ONE), (100, HUNDRED)):
                settings = best()[worker.name][handler][variant]
                pinned = grid.in_flight(number)

                assert settings | pinned == settings
                for name in settings.keys() - pinned.keys():
                    assert settings[name] in grid.tried[name]


def test_what_a_sweep_finds_replaces_what_was_found_before_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sweep of one worker leaves the others as they are."""
    before, path = best(), tmp_path / "best.json"
    path.write_text(json.dumps(before), "utf-8")
    monkeypatch.setattr(workers, "BEST", path)
    workers.keep_best(
        {"worker": "arq", "handler": "no-op", "variant": ONE, "settings": {"max_jobs": 1}}
    )
    before["arq"]["no-op"][ONE] = {"max_jobs": 1}

    assert best() == before


def test_everyone_is_compared_at_defaults_too() -> None:
    """And without a single setting of ours."""
    found = {
        (one.worker.name, one.handler): one.settings
        for one in contenders()
        if one.variant == DEFAULTS
    }

    assert found == {(worker.name, handler): {} for worker in MANY for handler in ("no-op", "1 ms")}


def make_lines(rates: dict[str, float]) -> list[Line]:
    """Make the lines of one round: contender -> rate."""
    return [
        {
            "kind": "round",
            "worker": f"no-op: {name}",
            "contender": name,
            "handler": "no-op",
            "settings": {"x": 1},
            "filled": 10,
            "distinct": 10,
            "left": 0,
            "events_per_second": rate,
            "server_cpu_us": 1.0,
            "redis_cpu_us": 1.0,
            "server_peak_mib": 1.0,
            "others_cpu_percent": 0,
        }
        for name, rate in rates.items()
    ]


def rates_of(ours: float, theirs: float) -> dict[str, float]:
    """Give the relay and each peer a rate at defaults, and one a little better."""
    made = {f"{BARE.name}, json": 100.0, f"{BARE.name}, msgspec": 150.0}
    for worker in MANY:
        rate = ours if worker is RELAY else theirs
        made |= {f"{worker.name}, {DEFAULTS}": rate, f"{worker.name}, {ONE}": rate * 1.1}
    return made


@pytest.mark.parametrize(
    ("ours", "theirs", "missed"),
    [
        (90.0, 7.0, set()),
        (90.0, 8.0, {"defaults"}),
        (90.0, 20.0, {"defaults", "best"}),
        (70.0, 1.0, {"bare"}),
    ],
)
def test_each_bar_is_missed_where_it_should_be(
    ours: float, theirs: float, missed: set[str]
) -> None:
    """Twelve times at defaults, five times at the best, eight tenths of the loop that parses."""
    lines = make_lines(rates_of(ours, theirs))
    failed = [bar.what for bar in bars(lines) if not bar.holds(lines)]
    expected = {
        "defaults": [f"relay / {peer.name}, both at their defaults" for peer in PEERS],
        "best": [f"relay / {peer.name}, each at its best" for peer in PEERS],
        "bare": ["relay / bare loop with json, relay at its best"],
    }

    assert sorted(failed) == sorted(itertools.chain(*(expected[name] for name in missed)))


@pytest.mark.parametrize(("ours", "said"), [(100.0, "is not reached: 1.10"), (140.0, "is reached")])
def test_it_says_whether_what_is_reached_for_is_reached(ours: float, said: str) -> None:
    """One and a half times the bare loop, by the better row; nothing where one did not run."""
    assert said in reached(make_lines(rates_of(ours, 1.0)))
    assert reached(make_lines({f"{RELAY.name}, {ONE}": ours})) == ""


def test_the_best_of_a_worker_is_its_fastest_row() -> None:
    """Its defaults, if they are."""
    lines = make_lines({f"{RELAY.name}, {DEFAULTS}": 3.0, f"{RELAY.name}, {ONE}": 2.0})

    assert best_of(lines, RELAY) == f"{RELAY.name}, {DEFAULTS}"


def test_tables_show_settings_and_what_was_left() -> None:
    """Whoever reads a rate sees what it was measured with, and that the work was done."""
    lines = make_lines(rates_of(90.0, 7.0))
    text = "\n".join(table.markdown() for table in tables(HEADER, lines))
    found: list[Line] = [
        lines[0] | {"worker": "arq", "variant": ONE, "settings": {"poll_delay": 0.01}}
    ]
    sweeping = "\n".join(table.markdown() for table in swept(HEADER, found))

    assert "| no-op: relay, defaults | x 1 | 10 | 10 | 0 |" in text
    assert "| arq | no-op | 1 in flight | poll_delay 0.01 | 100 |" in sweeping
