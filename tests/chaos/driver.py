"""One run from start to verdict: faults for a while, then peace, then what is left is judged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from relay.contract.duties import cancel
from tests.chaos.checker import judge
from tests.chaos.evidence import Evidence, gather, unsettled
from tests.chaos.faults import Faults
from tests.chaos.members import ENDS
from tests.chaos.town import GROUPS, Town, a_town

DEAD_SECONDS = 15.0
# A run in which fewer of the kills hit work in flight has shown nothing.
IN_FLIGHT_RATIO = 0.2
# How much longer faults are made at most, for so many kills in flight as were asked for.
MORE_SECONDS = 60.0
# Together with those less than what a test may take.
DRAIN_SECONDS = 80.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run.

    Args:
        seconds: How long there are faults.
        seed: Decides everything that is left to chance.
        pace: By how much the workers' times are shortened, 1 for not at all.
        events_per_second: That are sent.
        least_in_flight: There are faults until so many kills have hit work in flight.
    """

    seconds: float
    seed: int
    pace: float
    events_per_second: float = 40.0
    least_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it.

    Args:
        faults: Promises that were broken.
        evidence: On what that rests.
        made: How often each fault was made.
        kills: Of how many processes.
        kills_in_flight: How many of those had work in flight.
        statuses: How often the senders were answered with each; 0 for no answer.
    """

    faults: list[str]
    evidence: Evidence
    made: dict[str, int]
    kills: int
    kills_in_flight: int
    statuses: dict[int, int]

    @property
    def is_a_run(self) -> bool:
        """Whether enough of the kills hit work in flight."""
        return self.kills > 0 and self.kills_in_flight >= IN_FLIGHT_RATIO * self.kills


async def run(plan: Plan, directory: Path) -> Verdict:
    """Run the whole of it.

    Args:
        plan: What.
        directory: For all files; empty.
    """
    async with a_town(directory, plan.seed, plan.pace, plan.events_per_second) as town:
        faults = Faults(town, plan.seed, DEAD_SECONDS / plan.pace)
        async with _at_work(town):
            await town.until_at_work()
            await _make_faults(faults, plan)
            await town.recover()
            await town.senders.stop()
            await _drain(town)
        await town.close()
        with town.server.client() as store:
            evidence = gather(directory, store, list(GROUPS))
        evidence.troubles += _troubles(town)
        return Verdict(
            judge(evidence),
            evidence,
            dict(faults.made),
            town.kills,
            town.kills_in_flight,
            dict(town.senders.statuses),
        )


@asynccontextmanager
async def _at_work(town: Town) -> AsyncIterator[None]:
    """Have events sent, and processes started again, within the block."""
    sending = asyncio.create_task(town.senders.run())
    supervising = asyncio.create_task(town.supervise())
    try:
        yield
    finally:
        await cancel({sending, supervising})


async def _make_faults(faults: Faults, plan: Plan) -> None:
    chains = {
        asyncio.create_task(faults.after_processes()),
        asyncio.create_task(faults.after_store()),
    }
    loop = asyncio.get_running_loop()
    end = loop.time() + plan.seconds
    done: set[asyncio.Task[None]] = set()
    while not done and (
        loop.time() < end
        or (faults.town.kills_in_flight < plan.least_in_flight and loop.time() < end + MORE_SECONDS)
    ):
        done, _ = await asyncio.wait(
            chains, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION
        )
    await cancel(chains - done)
    for chain in done:
        chain.result()


async def _drain(town: Town) -> None:
    """Wait until every group has settled everything, as long as that may take at most."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DRAIN_SECONDS
    with town.server.client() as store:
        while loop.time() < end:
            with suppress(RedisError):
                if not unsettled(store, list(GROUPS)):
                    return
            await asyncio.sleep(LOOK_SECONDS)


def _troubles(town: Town) -> list[str]:
    return [trouble for member in town.members for trouble in member.troubles(town.directory, ENDS)]
