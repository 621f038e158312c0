"""The store is killed, put to sleep, filled, or left without its replica."""

import asyncio
import random
from collections.abc import Callable

from redis import Redis

from tests.faults.scenario import Scenario
from tests.faults.town import Plan, Playing, Town
from tests.senders import Load
from tests.waiting import wait_until

SLEEP_SECONDS = (0.1, 2.5)
# Longer than any deadline of gateway and senders.
STALL_SECONDS = 12.0
REFUSED = 5
# So much for the disk that it is always behind.
LARGE = Load(1000.0, 32, ("message.new", "mail.new"), 0.0, characters=30_000)
# One that is busy with a slow disk needs a moment.
KILLED_SECONDS = 20.0


async def killed(town: Town, chance: random.Random) -> None:
    """Kill it: every second time by the clock, else within 5 ms after an append has passed."""
    if chance.random() < 0.5:
        town.kill_soon(town.server.pid, chance)
        await wait_until(
            lambda: not town.server.is_alive,
            deadline_seconds=KILLED_SECONDS,
            description="the store is killed",
        )
    await asyncio.to_thread(town.server.kill)
    await asyncio.sleep(chance.choice((0.0, 0.2)))


async def stopped(town: Town, chance: random.Random) -> None:
    """Stop it from running for a while."""
    await _sleep(town, chance.uniform(*SLEEP_SECONDS))


async def stalled(town: Town, _: random.Random) -> None:
    """Stop it for longer than anybody waits."""
    await _sleep(town, STALL_SECONDS)


async def _sleep(town: Town, seconds: float) -> None:
    town.server.fall_asleep()
    await asyncio.sleep(seconds)
    town.server.wake_up()


async def full(town: Town, chance: random.Random) -> None:
    """Leave it no memory until some events were refused."""

    def fill(client: Redis) -> None:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", int(used * chance.choice((0.5, 1.001))))

    await _until_refused(town, fill, lambda client: client.config_set("maxmemory", 0))


async def without_replica(town: Town, _: random.Random) -> None:
    """Have it ask for a replica that it has not got, until some events were refused."""
    await _until_refused(
        town,
        lambda client: client.config_set("min-replicas-to-write", 1),
        lambda client: client.config_set("min-replicas-to-write", 0),
    )


async def _until_refused(
    town: Town, begin: Callable[[Redis], object], end: Callable[[Redis], object]
) -> None:
    senders = town.now_sending()
    refused = senders.statuses[503]
    with town.server.client() as client:
        begin(client)
        try:
            await wait_until(
                lambda: senders.statuses[503] >= refused + REFUSED, description="some are refused"
            )
        finally:
            end(client)


SCENARIOS = (
    Scenario("store-killed", "the store is killed (-9)", Playing(killed), rounds=50, short=3),
    Scenario(
        "store-killed-everysec",
        "the store is killed (-9)",
        Playing(killed, Plan(fsync="everysec", load=LARGE)),
        rounds=30,
        durability="`local`, `everysec`",
        may_lose=True,
    ),
    Scenario("store-stopped", "the store stands still for up to 2.5 s", Playing(stopped), rounds=8),
    Scenario("store-stalled", "the store stands still for 12 s", Playing(stalled), rounds=2),
    Scenario("store-full", "the store reaches `maxmemory`", Playing(full), rounds=6, short=1),
    Scenario(
        "store-without-replica",
        "the store misses the replicas that `min-replicas-to-write` asks for",
        Playing(without_replica),
        rounds=4,
    ),
)
