"""``relay unipile connect`` and ``rotate``, killed after each of their effects, and run again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.unipile.stand_in import Endpoint
from tests.relay.commands.unipile.desk import KEY, URL, Before, Desk

pytestmark = pytest.mark.redis

CONNECT = ["connect", "--public-url", URL, "--unchecked", "--wait", "0"]
ROOT = Path(__file__).parents[4]


@dataclass
class Mortal:
    """Runs commands that die.

    Args:
        process: The program that forks.
        url: Of the store.
    """

    process: asyncio.subprocess.Process
    url: str

    async def run(self, after: int, *arguments: str) -> int:
        """Run a command until so many effects have happened, and give how it ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps([after, ["unipile", *arguments, "--redis-url", self.url]])
        self.process.stdin.write(f"{line}\n".encode())
        return int(await self.process.stdout.readline())


@asynccontextmanager
async def mortal(desk: Desk) -> AsyncIterator[Mortal]:
    """Have such a program within the block, in the desk's directory."""
    environ = {"UNIPILE_API_KEY": KEY, "UNIPILE_API_URL": desk.unipile.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.relay.commands.unipile.dying",
        cwd=desk.directory,
        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Mortal(process, desk.server.url)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def killed_everywhere(desk: Desk, program: Mortal, *arguments: str) -> AsyncIterator[int]:
    """Kill a command after its first effect, its second and so on, and run it again each time.

    Gives how many effects there had been; it ends once the command has ended by itself.
    """
    before = Before(desk)
    for after in range(1, 20):
        before.restore()
        died = await program.run(after, *arguments)
        if died != -signal.SIGKILL:
            assert died == 0
            assert after > 3
            return
        assert await program.run(0, *arguments) == 0, after
        yield after


def is_like(one: Endpoint, other: Endpoint) -> bool:
    """Tell whether two endpoints differ in their ids and secrets only."""
    return (one.url, set(one.trigger_events), one.account_ids, one.description, one.enabled) == (
        other.url,
        set(other.trigger_events),
        other.account_ids,
        other.description,
        other.enabled,
    )


async def test_it_comes_to_the_same_wherever_it_was_killed(desk: Desk) -> None:
    """Of each endpoint there is one, each secret is in one file, and each is named once."""
    async with mortal(desk) as program:
        async for _ in killed_everywhere(
            desk, program, *CONNECT, "--account", "acc_1", "--description", "Relay"
        ):
            (first,) = desk.there
            assert first.enabled
            assert desk.secrets() == [first.secret] == desk.files()

        async for _ in killed_everywhere(desk, program, "rotate"):
            (first, second) = desk.there
            assert is_like(first, second)
            assert desk.secrets() == [second.secret, first.secret]
            assert desk.files() == sorted(desk.secrets())

        begun, (first, second) = Before(desk), desk.there
        async for _ in killed_everywhere(desk, program, "rotate", "--back"):
            assert desk.there == [first]
            assert ["not_after" in each for each in desk.references()] == [True, False]

        begun.restore()
        desk.have_proved(second)
        async for _ in killed_everywhere(desk, program, "rotate", "--finish"):
            assert desk.there == [second]
            assert desk.secrets() == [second.secret, first.secret]
            assert ["not_after" in each for each in desk.references()] == [False, True]
