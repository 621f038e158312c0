"""Some seconds of chaos break no promise."""

import random
from pathlib import Path

import pytest

from tests.chaos.__main__ import say
from tests.chaos.driver import Plan, run

pytestmark = [pytest.mark.chaos, pytest.mark.alone]

# `make chaos` is for more: longer, with more events, and at other paces.
SECONDS = 12.0
EVENTS_PER_SECOND = 25.0
# Workers are taken for dead after a second and a half: an event that ends every process that
# handles it needs five such deaths.
PACE = 10.0
LEAST_IN_FLIGHT = 2


async def test_some_seconds_of_chaos_break_no_promise(tmp_path: Path) -> None:
    """Whatever is killed, hangs, fills or breaks; what came of it is printed with its seed."""
    seed = random.SystemRandom().randrange(1_000_000)
    plan = Plan(SECONDS, seed, PACE, EVENTS_PER_SECOND, LEAST_IN_FLIGHT)
    verdict = await run(plan, tmp_path)
    say(verdict, plan)

    assert verdict.faults == [], f"seed {plan.seed}"
    # What share of so few kills hits work in flight is chance.
    assert verdict.kills_in_flight >= LEAST_IN_FLIGHT, f"seed {plan.seed}: it was no run"
