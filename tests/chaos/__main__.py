"""One run of chaos: ends with 0, with 1 if a promise was broken, with 3 if it was no run."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.checker import both, repeated
from tests.chaos.driver import DEAD_SECONDS, Plan, Verdict, run

# Of a run this short, workers are taken for dead after three seconds instead of fifteen.
SHORT_SECONDS = 600.0
SHORT_PACE = 5.0


def main() -> int:
    """Read the options, run, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long there are faults")
    parser.add_argument("--seed", type=int, help="decides all that is left to chance")
    parser.add_argument("--pace", type=float, help="by how much the workers' times are shortened")
    parser.add_argument("--rate", type=float, default=40.0, help="events per second that are sent")
    parser.add_argument("--keep", type=Path, help="where the files of the run are left")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    pace = given.pace or (SHORT_PACE if given.seconds <= SHORT_SECONDS else 1.0)
    plan = Plan(given.seconds, seed, pace, given.rate)
    print(f"seed {seed}, {given.seconds:g} s of faults, dead after {DEAD_SECONDS / pace:g} s")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        directory = given.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        verdict = asyncio.run(run(plan, directory))
    return say(verdict, plan)


def say(verdict: Verdict, plan: Plan) -> int:
    """Print what came of a run, and give the exit code."""
    evidence = verdict.evidence
    made = ", ".join(f"{name} {count}" for name, count in sorted(verdict.made.items()))
    answers = ", ".join(f"{status}: {count}" for status, count in sorted(verdict.statuses.items()))
    print(f"faults: {made}")
    print(f"kills that hit work in flight: {verdict.kills_in_flight} of {verdict.kills}")
    print(f"answers: {answers}")
    print(f"events intended {len(evidence.intended)}, accepted {len(evidence.accepted)}")
    for group, runs in evidence.runs.items():
        print(
            f"{group}: {len(runs)} runs, {len(evidence.done(group))} events handled, "
            f"{len(evidence.dead[group])} dead; {repeated(evidence, group)} runs repeated, "
            f"{both(evidence, group)} both handled and dead"
        )
    for fault in verdict.faults:
        print(f"BROKEN: {fault}")
    again = f"make chaos ARGS='--seconds {plan.seconds:g} --seed {plan.seed} --pace {plan.pace:g}'"
    if verdict.faults:
        print(f"again: {again}")
        return 1
    if not verdict.is_a_run:
        print(f"no run: too few of the kills hit work in flight; again: {again}")
        return 3
    print("every promise was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
