"""Runs the scenarios and judges them: options in, raw lines and an exit code out."""

import sys
import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.holds.index.designs import GROUPS, designs
from bench.holds.index.scenario import Sample, Scenario, prepared
from bench.holds.index.verdicts import judge_few, report
from bench.holds.judging import judge, options
from bench.holds.record import Record

_IDLE_SECONDS = 0.002


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Run group after group, the scenarios of each at the same time."""
    runs: list[list[Sample]] = []
    for group in given.only:
        with ExitStack() as stack:
            scenarios = [
                stack.enter_context(prepared(design, directory, given.aof))
                for design in designs(group, given.shorter)
            ]
            _drive(record, scenarios)
        for scenario in scenarios:
            report(record, scenario.design, scenario.samples)
            runs.append(scenario.samples)
    judge_few(record, runs)


def _drive(record: Record, scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        scenario.start()
        design = scenario.design
        record.say("scenario", **asdict(design))
    while running := [scenario for scenario in scenarios if not scenario.is_over]:
        for scenario in running:
            sample = scenario.step()
            if sample is not None:
                record.line("sample", scenario=scenario.design.name, **asdict(sample))
        if all(scenario.is_idle() for scenario in running):
            time.sleep(_IDLE_SECONDS)


def _groups(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in GROUPS]:
        raise ValueError(f"not one of {', '.join(GROUPS)}: {', '.join(unknown)}")
    return names


def main() -> int:
    """Read the options and run."""
    parser = options("Memory and CPU of the dedupe index against plain keys.")
    parser.add_argument("--only", type=_groups, default=list(GROUPS), help=",".join(GROUPS))
    parser.add_argument("--shorter", type=float, default=1.0, help="divides the windows")
    # Off: it costs both the same, and makes the ratio of their CPU look smaller.
    parser.add_argument("--aof", choices=("off", "everysec", "always"), default="off")
    return judge("index", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
