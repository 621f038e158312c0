"""What the run rests on: records, rules, shortened times."""

import asyncio
import importlib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

from tests.chaos.driver import Plan, _make_faults
from tests.chaos.rules import TYPES, Kind, rule_for
from tests.chaos.short import TIMES
from tests.records import Record, lines_of


def test_every_time_that_is_shortened_is_there() -> None:
    """One that was renamed would be left as long as it is."""
    missing = [
        f"{module}.{name}"
        for module, name in TIMES
        if not hasattr(importlib.import_module(module), name)
    ]

    assert missing == []


def test_a_rule_is_the_same_in_every_process_and_every_kind_occurs() -> None:
    """It hangs on seed, group and event alone."""
    kinds = Counter(rule_for(7, "crm", f"evt-{number}").kind for number in range(5000))

    assert rule_for(7, "crm", "evt-1") == rule_for(7, "crm", "evt-1")
    assert set(kinds) == set(get_args(Kind))
    assert kinds["succeeds"] > 3000
    assert len(set(TYPES)) == 4


def test_a_line_without_its_end_is_not_read(tmp_path: Path) -> None:
    """Whoever wrote it was killed before anything followed from it."""
    record = Record(tmp_path / "a.log")
    record.write("start", 1, "evt")
    record.close()
    with (tmp_path / "a.log").open("a") as file:
        file.write("end 1")

    assert list(lines_of(tmp_path / "a.log")) == [["start", "1", "evt"]]
    assert list(lines_of(tmp_path / "none.log")) == []


async def test_faults_go_on_until_so_many_kills_have_hit_work_in_flight() -> None:
    """Else a run of some seconds would have shown nothing now and then."""
    town = SimpleNamespace(kills_in_flight=0)

    async def kill() -> None:
        town.kills_in_flight += 1
        await asyncio.Event().wait()

    faults: Any = SimpleNamespace(town=town, after_processes=kill, after_store=kill)
    await _make_faults(faults, Plan(0.0, 1, 1.0, least_in_flight=2))

    assert town.kills_in_flight == 2
