"""Workers that are killed at random moments, again and again, and what is left when all is done."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

from redis.asyncio import Redis

from relay.contract.connect import connect, text_of
from tests.consumers.making import pending
from tests.programs import Program, worker
from tests.servers import Server
from tests.waiting import wait_until

# In a user's module: a dead process is known as such within a second or two.
QUICKLY = """
from consumers import heartbeat, sweep
heartbeat.BEAT_SECONDS, heartbeat.DEAD_SECONDS = 0.2, 1.0
sweep.SWEEP_SECONDS, sweep.MIN_IDLE_MS = 0.2, 100
"""
Count = Callable[[], int]


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[Redis]:
    """Have a client within the block."""
    client = connect(server.url, role="test", connections=20)
    try:
        yield client
    finally:
        await client.aclose()


class Killing:
    """Two workers, of which now one and now the other is killed and replaced.

    Args:
        directory: Where their module ``handlers`` lies.
        server: Their store.
        group: Their group.
        variables: Of their environment.
    """

    def __init__(self, directory: Path, server: Server, group: str, **variables: str) -> None:
        self.seed = random.randrange(2**32)
        self._chance = random.Random(self.seed)
        self._directory = directory
        self._server = server
        self._group = group
        self._variables = variables
        self._stack = ExitStack()
        self._running: list[Program] = []
        # How many entries each killed process was busy with.
        self.hit: list[int] = []

    async def __aenter__(self) -> Self:
        """Start both."""
        for _ in range(2):
            self._start()
        return self

    async def __aexit__(self, *about: object) -> None:
        """End what runs."""
        await asyncio.to_thread(self._stack.close)

    async def kill_one(self, done: Count, everything: int) -> None:
        """Kill a worker once some more is done, by chance, and start another.

        Args:
            done: Says how much is done.
            everything: How much there is to do.
        """
        target = min(done() + self._chance.randrange(20, 100), everything)
        await self._until(done, target)
        victim = self._running.pop(0)
        victim.kill()
        self.hit.append(await self._left_by(victim))
        self._start()

    async def finish(self, done: Count, everything: int) -> None:
        """Wait until all is done and nothing is pending."""
        await self._until(done, everything)
        async with client_of(self._server) as store:

            async def settled() -> bool:
                return not await pending(store, group=self._group)

            await wait_until(settled, deadline_seconds=60.0, description="everything is settled")

    def _start(self) -> None:
        name = f"worker-{len(self.hit)}-{len(self._running)}"
        program = worker(
            self._directory, self._server.url, "handlers:worker", name=name, **self._variables
        )
        self._running.append(self._stack.enter_context(program))

    async def _until(self, done: Count, target: int) -> None:
        try:
            await wait_until(
                lambda: done() >= target, deadline_seconds=90.0, description=f"{target} done"
            )
        except AssertionError as error:
            said = "\n".join(program.output()[-1500:] for program in self._running)
            raise AssertionError(f"{error}, seed {self.seed}; {done()} are\n{said}") from error

    async def _left_by(self, victim: Program) -> int:
        async with client_of(self._server) as store:
            held = await pending(store, group=self._group)
        return sum(f"-{victim.process.pid}-" in text_of(name) for name in held.values())
