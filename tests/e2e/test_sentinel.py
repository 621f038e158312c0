"""A primary that is replaced under load: gateway and worker follow by themselves."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.keeper import STREAM, handled, keeper
from tests.load import Answers, sending
from tests.programs import Program, children_of, gateway
from tests.sentinels import Watched
from tests.servers import find_binary
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

# After the move; by then everything must run as before.
MORE = 100


@pytest.fixture
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """A primary and a replica under sentinels, of the program that is named."""
    binary = find_binary(request.param)
    if binary is None:
        pytest.skip(f"this machine has no {request.param} server")
    servers = Watched(binary, tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def stored(watched: Watched) -> Counter[str]:
    """Count the entries of each event at the primary."""
    return Counter(fields[b"id"].decode() for _, fields in watched.primary.entries(STREAM))


async def grown(answers: Answers) -> None:
    """Wait until many more events have been accepted."""
    before = answers.accepted
    await wait_until(
        lambda: answers.accepted >= before + MORE,
        deadline_seconds=60,
        description="events are accepted",
    )


async def moved_under_load(watched: Watched, directory: Path, move: Callable[[], None]) -> Answers:
    """Run both programs, send, move the primary, and wait until everything stored is handled."""
    with gateway(directory, watched.url) as program, keeper(directory, watched.url) as working:
        async with sending(lambda: program.url, connections=8, pause_seconds=0.02) as answers:
            await grown(answers)
            processes = running(program, working)
            await asyncio.to_thread(move)
            await grown(answers)
        await wait_until(
            lambda: handled(directory) >= set(stored(watched)),
            deadline_seconds=60,
            description="all that is stored is handled",
        )

        assert running(program, working) == processes
    return answers


def running(program: Program, working: Program) -> list[int]:
    """Name the processes of both programs."""
    assert working.process.poll() is None
    return [program.process.pid, *children_of(program.process.pid), working.process.pid]


@pytest.mark.parametrize("watched", ["redis"], indirect=True)
async def test_a_planned_failover_loses_nothing(watched: Watched, tmp_path: Path) -> None:
    """Writes are paused, the replica takes over, and nobody starts or tells anything anew."""
    answers = await moved_under_load(watched, tmp_path, watched.plan_failover)
    found = stored(watched)

    assert set(answers.entries) - set(found) == set()
    assert max(found.values()) == 1


@pytest.mark.parametrize("watched", ["valkey"], indirect=True)
async def test_both_programs_go_on_after_the_primary_was_killed(
    watched: Watched, tmp_path: Path
) -> None:
    """What its replica has is handled, and no event has two entries."""
    await moved_under_load(watched, tmp_path, watched.lose_primary)

    assert max(stored(watched).values()) == 1
