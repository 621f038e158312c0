"""Clocks are a day fast or slow: the gateways', with their senders', or the store's."""

import asyncio
import random
from pathlib import Path

from relay.contract.connect import text_of
from tests.faults.scenario import Scenario, Stage
from tests.faults.scenarios.connection import reply_lost
from tests.faults.town import Plan, Playing, Town, a_town
from tests.senders import Load

DAY_SECONDS = 86_400
LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")
# A window is 72 hours, and what is remembered in a half of it is kept for one and a half more; a
# day more or less would be another clock's.
LEAST_MS, MOST_MS = 71 * 3_600_000, 110 * 3_600_000
# Some are sent again after their 200, to either gateway.
LOAD = Load(400.0, 16, ("message.new", "mail.new"), 0.3)


def library() -> Path | None:
    """Find the library by which a program is told another time."""
    found = (path for pattern in LIBRARIES for path in Path("/").glob(pattern[1:]))
    return next(found, None)


def needs_library() -> str:
    """Say that it is not there, if so."""
    return "" if library() else "libfaketime is not installed (Debian: libfaketime)"


def shifted(seconds: int) -> dict[str, str]:
    """Give the environment of a program whose clock is wrong by so much."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


async def _jump(town: Town, chance: random.Random) -> None:
    """Start the store with another clock: right, a day ahead or a day behind."""
    town.server.variables = shifted(chance.choice((-DAY_SECONDS, 0, DAY_SECONDS)))
    await asyncio.to_thread(town.server.restart)


async def _gateways_wrong(stage: Stage) -> None:
    """Have one gateway a day ahead and one a day behind; each event may come to both."""
    skews = (DAY_SECONDS, -DAY_SECONDS)
    plan = Plan(load=LOAD, each=[shifted(skew) for skew in skews], skews=skews)
    async with a_town(stage, plan) as town:
        await town.play(reply_lost)
        stage.troubles += await asyncio.to_thread(_wrong_ends, town)


def _wrong_ends(town: Town) -> list[str]:
    """Name the parts of the dedupe index that do not live as long as the store's clock says."""
    with town.server.client() as client:
        keys = list(client.scan_iter("relay:{unipile}@seen:*:*", count=1000))
        lives = {text_of(key): client.pttl(key) for key in keys}
    wrong = [key for key, life in lives.items() if not LEAST_MS <= life <= MOST_MS]
    return [f"{key} expires in {lives[key]} ms" for key in wrong] + ([] if lives else ["no index"])


SCENARIOS = (
    Scenario(
        "clock-of-gateways",
        "one gateway's clock and its senders' are a day ahead, the other's a day behind",
        _gateways_wrong,
        rounds=6,
        servers=("valkey",),
        needs=needs_library,
    ),
    Scenario(
        "clock-of-store",
        "the store is killed (-9) and comes back with a clock that is a day ahead or behind",
        Playing(_jump, Plan(load=LOAD)),
        rounds=8,
        # Debian's Redis cannot be told another time: its allocator and the library clash.
        servers=("valkey",),
        needs=needs_library,
    ),
)
