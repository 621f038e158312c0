"""What the kit says is what happens: the same scenarios in memory and on real servers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from consumers import Event, Worker
from consumers.testing import Result, run, run_worker
from relay.append import Appender
from relay.contract.connect import connect, text_of
from relay.contract.event import IdentifiedEvent
from tests.conftest import empty_server
from tests.consumers.making import GROUP, KEYS, TAG, dead_letters
from tests.consumers.testing.scenarios import SCENARIOS, Scenario, Seen, Stage
from tests.consumers.working import running
from tests.servers import NAMES, Server
from tests.waiting import wait_until

# By event id: "settled", or why it is dead and after how many attempts.
Ends = dict[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a scenario.

    Args:
        seen: What the handlers were given.
        ends: What became of the events.
    """

    seen: Seen
    ends: Ends


def stand_in(_script: str, _keys: object, _args: object) -> int:
    """Stand for what the scripts of the scenarios do."""
    return 1


def in_memory(scenario: Scenario) -> Observed:
    """Play a scenario in memory."""
    stage = Stage(Worker(group=GROUP))
    scenario.declare(stage)
    result = run(run_worker(stage.worker, scenario.events(), on_commit=stand_in))
    return Observed(dict(stage.seen), ends_of(result))


def ends_of(result: Result) -> Ends:
    """Say what became of each event."""
    ends = {run.event.id: "settled" for run in result.runs if run.done or run.skipped}
    return ends | {
        letter.event.id: f"{letter.reason} after {letter.attempts}"
        for letter in result.dead_letters
    }


async def on_server(url: str) -> dict[str, Observed]:
    """Play all scenarios on a server, in one worker process."""
    async with connect(url, role="test", connections=20) as store:
        return await played(store, url)


async def played(store: Redis, url: str) -> dict[str, Observed]:
    """Play all scenarios, and look into the store afterwards."""
    worker = Worker(group=GROUP)
    stages = {scenario.name: Stage(worker) for scenario in SCENARIOS}
    for scenario in SCENARIOS:
        scenario.declare(stages[scenario.name])
    events = [event for scenario in SCENARIOS for event in scenario.events()]
    await append(store, events)
    async with running(worker, url):
        await wait_until(lambda: all_settled(store), description="every event is settled")
    letters = {
        text_of(letter[b"id"]): f"{text_of(letter[b'reason'])} after {text_of(letter[b'attempts'])}"
        for letter in await dead_letters(store)
    }
    ends = dict.fromkeys((event.id for event in events), "settled") | letters
    return {
        each.name: Observed(
            dict(stages[each.name].seen), {event.id: ends[event.id] for event in each.events()}
        )
        for each in SCENARIOS
    }


async def append(store: Redis, events: list[Event]) -> None:
    """Append events as the gateway does, in their order."""
    await store.sadd(KEYS.tags, TAG)
    appender = Appender(store, KEYS)
    for event in events:
        identified = IdentifiedEvent(
            event=event.stored, tag=TAG, identity=event.id.encode(), window_seconds=3600
        )
        await appender.append(identified)
    await appender.stop()


async def all_settled(store: Redis) -> bool:
    """Say whether the group has nothing left to do in any stream."""
    for scenario in SCENARIOS:
        stream = KEYS.stream(TAG, scenario.name)
        groups = await store.xinfo_groups(stream)
        last = text_of((await store.xinfo_stream(stream))["last-generated-id"])
        if not groups or groups[0]["pending"] or text_of(groups[0]["last-delivered-id"]) != last:
            return False
    return True


@pytest.fixture(scope="module", params=NAMES)
def observed(
    request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]
) -> dict[str, Observed]:
    """What came of all scenarios on a real server."""
    lent = empty_server(shared_servers(request.param))
    found = asyncio.run(on_server(next(lent).url))
    next(lent, None)
    return found


@pytest.mark.redis
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_kit_and_a_server_come_to_the_same_end(
    observed: dict[str, Observed], scenario: Scenario
) -> None:
    """Handlers are given the same in the same order, and events end in the same way."""
    kit = in_memory(scenario)

    assert kit == observed[scenario.name]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_every_scenario_comes_to_an_end(scenario: Scenario) -> None:
    """Else two that hang would be the same."""
    found = in_memory(scenario)

    assert set(found.ends) == {event.id for event in scenario.events()}
