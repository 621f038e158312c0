"""The store's append-only file has lost its last bytes: a disk that confirmed what it did not keep.

Against that nothing is promised but this: the store comes up, what is missing are the newest
events only, each with its mark, so that a sender who sends it again has it stored.
"""

import asyncio
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from redis.exceptions import RedisError

from tests.faults.checker import judge, say
from tests.faults.evidence import gather
from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Plan, Town, a_server, a_town
from tests.load import Answers, deliver
from tests.records import lines_of
from tests.senders import body_of, session

# The last so many bytes may lie in one flush each.
TORN_BYTES = 200
BATCH = 128
FILL_SECONDS = 1.0


async def torn(stage: Stage) -> None:
    """Tear 1, 2, 3 … bytes off copies, and most of them off the store that gateways go on with."""
    async with a_town(stage) as town:
        async with town.sending("first", stage.chance("first")):
            await asyncio.sleep(FILL_SECONDS)
        await asyncio.to_thread(town.server.kill)
        whole = stage.directory / "whole"
        await asyncio.to_thread(shutil.copytree, _file_in(stage.directory).parent, whole)
        for count in range(1, stage.rounds):
            await asyncio.to_thread(_start_on_torn, stage, whole, count)
            stage.end_round(0)
        _tear(stage.directory, TORN_BYTES)
        await _go_on(town)


async def _go_on(town: Town) -> None:
    """Have gateways and senders go on with what is torn, and start it once more."""
    stage = town.stage
    await town.recover()
    async with town.sending("second", stage.chance("second")):
        await town.until_settled("after the tear")
        # What came after the tear must outlive the next start.
        await asyncio.to_thread(town.server.restart)
        await town.until_settled("after the second start")
    stage.end_round(town.unanswered())
    await town.conclude()
    await _send_again(town)
    with town.server.client() as store:
        stage.troubles += say(judge(gather(stage.directory, store)))


async def _send_again(town: Town) -> None:
    """Deliver everything once more: what was lost is stored, and nothing twice."""
    async with session() as sending:
        for event_id, event_type, account in lines_of(town.directory / "intents.log"):
            body = body_of(event_id, event_type, account)
            await deliver(sending, town.urls[0], event_id, Answers(), body)


def _start_on_torn(stage: Stage, whole: Path, count: int) -> None:
    """Start another server on a copy without its last bytes."""
    directory = stage.directory / "torn"
    shutil.copytree(whole, directory / _file_in(stage.directory).parent.name)
    _tear(directory, count)
    server = a_server(replace(stage, directory=directory), Plan())
    try:
        server.start()
        with server.client() as store:
            found = judge(replace(gather(directory, store), accepted=_accepted(stage)))
    except (AssertionError, RedisError) as error:
        stage.troubles.append(f"{count} bytes torn off: {type(error).__name__}")
    else:
        if found.doubled or len(found.lost) > BATCH:
            stage.troubles.append(f"{count} bytes torn off: {say(found)}")
    finally:
        with suppress(OSError):
            server.kill()
        shutil.rmtree(directory)


def _accepted(stage: Stage) -> set[str]:
    return {words[0] for words in lines_of(stage.directory / "acks.log")}


def _file_in(directory: Path) -> Path:
    """Find the file that the server appends to."""
    return max(directory.glob("appendonlydir/*.incr.aof"), key=lambda path: path.stat().st_mtime)


def _tear(directory: Path, count: int) -> None:
    path = _file_in(directory)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - count)


SCENARIOS = (
    Scenario(
        "aof-torn",
        "the disk loses the last 1 to 200 bytes of what it had confirmed",
        torn,
        rounds=TORN_BYTES,
        durability="`local`, `always`",
        may_lose=True,
    ),
)
