"""The store is away while gateways have a spool: every delivery is 200, and drained afterwards."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Fault, Plan, Town, a_town
from tests.senders import Load

AWAY_SECONDS = (2.0, 6.0)
LONG_SECONDS = 60.0
LOAD = Load(500.0, 32, ("message.new", "message.read", "mail.new"), 0.0)


async def away(town: Town, chance: random.Random) -> None:
    """Kill the store, and start it again later."""
    await _away(town, chance.uniform(*AWAY_SECONDS))


async def long_away(town: Town, chance: random.Random) -> None:
    """Keep the store away for a minute, and kill a gateway in the middle of it."""
    await asyncio.to_thread(town.server.kill)
    await asyncio.sleep(LONG_SECONDS / 2)
    await _kill_one(town, chance)
    await asyncio.sleep(LONG_SECONDS / 2)
    await asyncio.to_thread(town.server.start)


async def stands_still(town: Town, chance: random.Random) -> None:
    """Stop the store from running: what was sent to it may be stored, and is spooled as well."""
    town.server.fall_asleep()
    await asyncio.sleep(chance.uniform(*AWAY_SECONDS))
    town.server.wake_up()


async def killed_while_spooling(town: Town, chance: random.Random) -> None:
    """Kill a gateway that writes to its spool."""
    await asyncio.to_thread(town.server.kill)
    await asyncio.sleep(chance.uniform(*AWAY_SECONDS) / 2)
    await _kill_one(town, chance)
    await asyncio.sleep(chance.uniform(0.5, 2))
    await asyncio.to_thread(town.server.start)


async def killed_while_draining(town: Town, chance: random.Random) -> None:
    """Kill a gateway that brings its spool to the store, one to three times."""
    await _away(town, chance.uniform(*AWAY_SECONDS))
    for _ in range(chance.randrange(1, 4)):
        await asyncio.sleep(chance.uniform(0, 0.6))
        await _kill_one(town, chance)


async def _away(town: Town, seconds: float) -> None:
    await asyncio.to_thread(town.server.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(town.server.start)


async def _kill_one(town: Town, chance: random.Random) -> None:
    member = chance.choice(town.gateways)
    await member.kill()
    member.start()


def _with_spool(fault: Fault) -> Callable[[Stage], Awaitable[None]]:
    async def play(stage: Stage) -> None:
        directory = stage.directory / "spool"
        plan = Plan(
            load=LOAD,
            variables={"RELAY_SPOOL__DIRECTORY": str(directory)},
            # No 503: what the store does not take, the spool does.
            answers=frozenset((0, 200)),
            drains=True,
        )
        async with a_town(stage, plan) as town:
            await town.play(fault)

    return play


_ROWS = (
    ("spool-away", "the store is away for up to 6 s", away, 6, 1),
    ("spool-store-stopped", "the store stands still for up to 6 s", stands_still, 6, 0),
    (
        "spool-gateway-killed",
        "the store is away, and a gateway that spools is killed (-9)",
        killed_while_spooling,
        8,
        0,
    ),
    (
        "spool-drain-killed",
        "the store is back, and a gateway that drains is killed (-9)",
        killed_while_draining,
        10,
        1,
    ),
    (
        "spool-minute",
        "the store is away for 60 s, and a gateway is killed (-9) in the middle",
        long_away,
        1,
        0,
    ),
)
SCENARIOS = tuple(
    Scenario(
        name,
        f"{title}; the spool is on",
        _with_spool(fault),
        rounds,
        short,
        servers=("valkey", "redis") if name == "spool-minute" else ("valkey",),
        durability="`local`, `always`, spool",
    )
    for name, title, fault, rounds, short in _ROWS
)
