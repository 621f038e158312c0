"""Asks the servers that have failed whether they are back, each for itself.

One that hangs takes its time to say nothing, and the others are asked all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.duties import cancel, to_its_end
from relay.spool.breaker import Breakers

# Asks a server, named as the breakers name it.
Probe = Callable[[Any], Awaitable[None]]


class Asking:
    """Asks until every server has answered.

    Args:
        breakers: Say which are away, and are told which answer.
        probe: Asks one server; raises where it would take no event.
    """

    def __init__(self, breakers: Breakers, probe: Probe) -> None:
        self._breakers = breakers
        self._probe = probe
        self._asked: dict[Hashable, asyncio.Task[None]] = {}
        # Set when a server has answered; whoever waits for that clears it.
        self.answered = asyncio.Event()

    async def run(self) -> None:
        """Ask those that are away, again and again, for as long as there are any."""
        try:
            while True:
                self._forget_ended()
                for server in self._breakers.away:
                    if server not in self._asked:
                        self._asked[server] = asyncio.create_task(self._ask(server))
                if self._asked or self._breakers.away:
                    await asyncio.sleep(self._breakers.pause_seconds())
                else:
                    self._breakers.opened.clear()
                    await self._breakers.opened.wait()
        finally:
            asked, self._asked = list(self._asked.values()), {}
            # Whoever ends this asks again and again until it has ended.
            await to_its_end(cancel(asked))

    async def _ask(self, server: Hashable) -> None:
        try:
            await self._probe(server)
        except (RedisError, *UNKNOWN_OUTCOME):
            return
        self._breakers.answered(server)
        self.answered.set()

    def _forget_ended(self) -> None:
        """Have those asked again that were answered for; what nobody expected is raised here."""
        ended = [server for server, task in self._asked.items() if task.done()]
        for task in [self._asked.pop(server) for server in ended]:
            task.result()
