"""Workers are killed and put to sleep; what was accepted must still be handled."""

import asyncio
import random

from tests.faults.scenario import Scenario
from tests.faults.scenarios import store
from tests.faults.town import Plan, Playing, Town
from tests.senders import Load

# Longer than the time after which the other takes it for dead.
SLEEP_SECONDS = (0.5, 6.0)
PLAN = Plan(gateways=1, workers=2, load=Load(250.0, 8, ("message.new", "mail.new"), 0.0))


async def killed(town: Town, chance: random.Random) -> None:
    """Kill one of two workers."""
    await chance.choice(town.workers).kill()
    await asyncio.sleep(chance.uniform(0, 1))


async def stopped(town: Town, chance: random.Random) -> None:
    """Stop one of two workers, for longer than the dead time or not."""
    member = chance.choice(town.workers)
    member.fall_asleep()
    await asyncio.sleep(chance.uniform(*SLEEP_SECONDS))


async def store_killed(town: Town, chance: random.Random) -> None:
    """Kill the store under both."""
    await store.killed(town, chance)


_ONE, _BOTH = ("valkey",), ("valkey", "redis")
_ROWS = (
    ("killed", "a worker is killed (-9)", killed, 12, 1, _ONE),
    ("stopped", "a worker stands still for up to twice the dead time", stopped, 6, 0, _ONE),
    (
        "store-killed",
        "the store is killed (-9) under gateway and workers",
        store_killed,
        12,
        0,
        _BOTH,
    ),
)
SCENARIOS = tuple(
    Scenario(f"worker-{name}", title, Playing(fault, PLAN), rounds, short, servers)
    for name, title, fault, rounds, short, servers in _ROWS
)
