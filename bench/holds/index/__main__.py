"""Runs the scenarios and judges them: options in, raw lines and an exit code out."""

import sys
import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.holds.index.designs import GROUPS, SINGLE, designs
from bench.holds.index.scenario import Sample, Scenario, prepared
from bench.holds.index.verdicts import judge_few, report
from bench.holds.judging import judge, options
from bench.holds.record import Record

_IDLE_SECONDS = 0.002
# Each time the windows are twice as long as before: what is measured must not hang on how fast the
# machine is, nor on whether it was busy with something else for a moment.
_TRIES = 6


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Run group after group, the scenarios of each at the same time."""
    runs: list[list[Sample]] = []
    for group in given.only:
        for scenario in _run_in_time(record, given, group, directory):
            report(record, scenario.design, scenario.samples)
            runs.append(scenario.samples)
    judge_few(record, runs)


def _run_in_time(record: Record, given: Namespace, group: str, directory: Path) -> list[Scenario]:
    """Run a group, again in longer windows where the sender did not keep up."""
    for number in range(_TRIES):
        place = directory / f"{group}-{number}"
        place.mkdir()
        with ExitStack() as stack:
            scenarios = [
                stack.enter_context(prepared(design, place, given.aof))
                for design in designs(group, given.shorter / 2**number)
            ]
            # After all were prepared: they forget their first event at the same time.
            for scenario in scenarios:
                scenario.settle()
            if _drive(record, scenarios, to_the_end=number == _TRIES - 1):
                break
    return scenarios


def _drive(record: Record, scenarios: list[Scenario], *, to_the_end: bool) -> bool:
    """Run scenarios; give whether they came to their end.

    Args:
        record: For the samples.
        scenarios: All that run at the same time.
        to_the_end: Whether they go on even if one is late.
    """
    for scenario in scenarios:
        scenario.start()
        record.say("scenario", **asdict(scenario.design))
    while running := [scenario for scenario in scenarios if not scenario.is_over]:
        for scenario in running:
            sample = scenario.step()
            if sample is not None:
                record.line("sample", scenario=scenario.design.name, **asdict(sample))
        late = [scenario.design.name for scenario in running if scenario.is_late]
        if late and not to_the_end:
            record.say("again", late=late)
            return False
        if all(scenario.is_idle() for scenario in running):
            time.sleep(_IDLE_SECONDS)
    return True


def _groups(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in (*GROUPS, *SINGLE)]:
        raise ValueError(f"not one of {', '.join(GROUPS + SINGLE)}: {', '.join(unknown)}")
    return names


def main() -> int:
    """Read the options and run."""
    parser = options("Memory and CPU of the dedupe index against plain keys.")
    names = ",".join(GROUPS + SINGLE)
    parser.add_argument("--only", type=_groups, default=list(GROUPS), help=names)
    parser.add_argument("--shorter", type=float, default=1.0, help="divides the windows")
    # Off: it costs both the same, and makes the ratio of their CPU look smaller.
    parser.add_argument("--aof", choices=("off", "everysec", "always"), default="off")
    return judge("index", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
