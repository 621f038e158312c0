"""Dead letters given back by a command that is killed: each is handled again once."""

import random
import re
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.conftest import StartServer
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, numbered
from tests.consumers.operations.dead.setting_aside import letter_for
from tests.programs import Program, start, worker
from tests.servers import NAMES, Server, wait_until_sync

pytestmark = pytest.mark.e2e

LETTERS = 4_000
DEAD = KEYS.dead(TAG, GROUP)
OTHER = "billing"

# A tenth of the events fail again: they become letters that are newer than all of the run.
HANDLERS = """
    import os
    from consumers import Event, GiveUp, Worker

    worker = Worker(group={group!r})
    book = os.open({group!r} + ".txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @worker.on("unipile:*", concurrency=50)
    async def handle(event: Event) -> None:
        os.write(book, f"{{event.id}} {{event.attempt}}\\n".encode())
        if event.id.endswith("7"):
            raise GiveUp("again")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with the modules of two groups' workers."""
    for group in (GROUP, OTHER):
        text = textwrap.dedent(HANDLERS.format(group=group))
        (tmp_path / f"{group}_handlers.py").write_text(text)
    return tmp_path


def runs(directory: Path, group: str) -> list[str]:
    """Give what a group's handlers were given, a line for each run."""
    book = directory / f"{group}.txt"
    return book.read_text("ascii").splitlines() if book.exists() else []


def fill(client: Redis, letters: int = LETTERS) -> None:
    """Have both groups set aside the same events."""
    client.sadd(KEYS.tags, TAG)
    client.hset(KEYS.streams(TAG), TYPE, "1 1-0")
    for group in (GROUP, OTHER):
        client.hset(KEYS.groups(TAG), group, '1 ["*:*"]')
        client.xgroup_create(KEYS.stream(TAG, TYPE), group, id="0", mkstream=True)
        for begin in range(0, letters, 1000):
            pipeline = client.pipeline(transaction=False)
            for event_id in numbered(letters)[begin : begin + 1000]:
                pipeline.xadd(KEYS.dead(TAG, group), letter_for(event_id))
            pipeline.execute()


def places(client: Redis) -> Counter[bytes]:
    """Say how often each event is a letter or waits to be handled."""
    found: Counter[bytes] = Counter()
    again: Any = client.xrange(KEYS.again(TAG, GROUP, TYPE))
    letters: Any = client.xrange(DEAD)
    for _, fields in again + letters:
        found[fields[b"id"]] += 1
    return found


def length(client: Redis, key: str) -> int:
    """Say how many entries a stream has."""
    found: Any = client.xlen(key)
    return int(found)


def redriving(directory: Path, server: Server, name: str, *options: str) -> Program:
    """Start the command."""
    command = ["-m", "relay", "dead", "redrive", "--group", GROUP, *options]
    return start(command, directory, name, REDIS_URL=server.url)


def until_left(client: Redis, letters: int, program: Program) -> None:
    """Wait until no more than so many letters are left, and the command has said how to go on.

    The one before it may have been killed so late that no more are left from the start.
    """
    wait_until_sync(
        lambda: (
            (length(client, DEAD) <= letters and "--until" in program.output())
            or program.process.poll() is not None
        ),
        deadline_seconds=60.0,
        description=f"{letters} letters are left: {program.output()}",
    )


def finish(program: Program) -> None:
    """Let the command come to its end."""
    code = program.process.wait(60.0)

    assert code == 0, program.output()


def test_letters_redriven_by_a_command_that_is_killed_are_each_handled_once(
    start_server: StartServer, directory: Path
) -> None:
    """By their own group only; what fails again is not redriven by the command that goes on."""
    own_server = start_server(NAMES[0])
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    stops = sorted((chance.randrange(500, LETTERS - 500) for _ in range(2)), reverse=True)
    with own_server.client() as client:
        fill(client)
        options = ["--rate", "2500", "--yes"]
        for number, stop in enumerate(stops):
            program = redriving(directory, own_server, f"redrive-{number}", *options)
            until_left(client, stop, program)
            program.process.kill()
            program.process.wait()
            (until,) = set(re.findall(r"--until (\d+-\d+)", program.output()))
            options = ["--until", until, "--rate", "2500", "--yes"]
            found = places(client)

            assert set(found.values()) == {1}, f"seed {seed}"
            assert len(found) == LETTERS, f"seed {seed}"
        with (
            worker(directory, own_server.url, "crm_handlers:worker", name="crm"),
            worker(directory, own_server.url, "billing_handlers:worker", name="billing"),
        ):
            last = redriving(directory, own_server, "redrive-last", *options)
            finish(last)
            again = {f"evt_{number}" for number in range(7, LETTERS, 10)}
            _until_runs(directory, LETTERS)
            wait_until_sync(
                lambda: length(client, DEAD) == len(again), description="what failed is set aside"
            )
            # The command that goes on is done: what failed again is not its business.
            finish(redriving(directory, own_server, "redrive-once-more", *options))
            letters: Any = client.xrange(DEAD)

        assert {fields[b"id"].decode() for _, fields in letters} == again
        assert Counter(runs(directory, GROUP)) == dict.fromkeys(
            (f"{event_id} 1" for event_id in numbered(LETTERS)), 1
        )
        assert runs(directory, OTHER) == []
        assert length(client, KEYS.dead(TAG, OTHER)) == LETTERS


def test_a_redrive_goes_on_through_a_restart_of_the_server(
    own_server: Server, directory: Path
) -> None:
    """It waits for the server, and no letter is lost or doubled."""
    letters = 2000
    with own_server.client() as client:
        fill(client, letters)
        program = redriving(directory, own_server, "redrive", "--rate", "2000", "--yes")
        until_left(client, letters * 3 // 4, program)
    own_server.restart()
    finish(program)
    with own_server.client() as client:
        found = places(client)

        assert (set(found.values()), len(found)) == ({1}, letters)
        assert length(client, DEAD) == 0
    assert f"{letters} redriven." in program.output()


def _until_runs(directory: Path, count: int) -> None:
    wait_until_sync(
        lambda: len(runs(directory, GROUP)) >= count,
        deadline_seconds=60.0,
        description=f"{count} runs",
    )
