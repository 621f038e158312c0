"""The page has the figures of the results that are kept, and no others."""

import re
from pathlib import Path

import pytest

from bench.tables import fill, part_of
from tests.faults import results
from tests.faults.checker import Left
from tests.faults.scenario import UNKNOWN_RATIO, Outcome, Stage
from tests.faults.scenarios import ALL


def test_the_page_has_the_table_of_the_results() -> None:
    """Drawn again from the lines it is the same; else: python -m tests.faults --write."""
    assert part_of(results.PAGE.read_text("utf-8"), results.MARK) == results.section()


def test_the_page_has_no_other_counts() -> None:
    """How many events were lost is between the marks, where the lines decide."""
    page = fill(results.PAGE.read_text("utf-8"), {results.MARK: ""})

    assert re.findall(r"\d[\d,]* (?:lost|doubled|accepted)", page) == []


def test_no_kept_result_breaks_a_promise() -> None:
    """One that does is a fault to be mended, and not to be shown."""
    assert [line["scenario"] for line in results.read() if line["broken"]] == []


def test_the_kept_results_are_a_run() -> None:
    """The page says so: at least a fifth of the rounds had an outcome that nobody could know."""
    lines = results.read()
    unknown = sum(line["rounds_unknown"] for line in lines)

    assert unknown >= UNKNOWN_RATIO * sum(line["rounds"] for line in lines)
    assert [line["scenario"] for line in lines if not line["accepted"]] == []


def test_only_scenarios_that_are_there_have_results() -> None:
    """What was renamed is to be played again."""
    known = {(scenario.name, server) for scenario in ALL for server in scenario.servers}

    assert {(line["scenario"], line["server"]) for line in results.read()} <= known


def test_a_result_takes_the_place_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario that is played again has its newest figures only."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(results, "_version_of", lambda server: "1.2.3")
    for stored in (["e1"], []):
        stage = Stage(tmp_path, "valkey", 1, 7)
        stage.end_round(1)
        stage.conclude(Left({"e1"}, {"e1"}, stored))
        results.record(Outcome(ALL[0], stage, 1.0))

    assert [line["lost"] for line in results.read(tmp_path / "results.jsonl")] == [1]
    assert "| Valkey 1.2.3 | 1 | 1 | 1 | 1 | 0 |" in results.section(tmp_path / "results.jsonl")
