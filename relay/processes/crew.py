"""All gateway processes of one parent: begun, replaced one by one, and ended together.

Configurations come in; as many running processes as they ask for go out. While they are replaced
there is never one less than before.
"""

import asyncio
import socket
from collections.abc import Sequence

from relay.contract.logs import LogFormat
from relay.contract.ready import Ready
from relay.contract.tally import Tally, total
from relay.metrics.families import GATEWAY, PROCESSES, RESTARTS
from relay.processes.configuration import Configuration
from relay.processes.gateway import GatewayProcess
from relay.supervise.line import Lines


class Crew:
    """The processes that take deliveries.

    Args:
        sockets: What they accept on; held open by the parent.
        log_format: How they log.
    """

    def __init__(self, sockets: Sequence[socket.socket], log_format: LogFormat) -> None:
        self._sockets = sockets
        self._log_format = log_format
        self._lines = Lines(GATEWAY, PROCESSES)
        self._places: list[GatewayProcess] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._past_restarts = 0
        self._made = 0

    def begin(self, configuration: Configuration) -> None:
        """Start all processes, without waiting for them."""
        for _ in range(configuration.settings.processes):
            place = self._make(configuration)
            self._places.append(place)
            place.begin()

    async def replace(self, configuration: Configuration) -> None:
        """Put a new process in each place, the old one leaving once the new one takes deliveries.

        Returns when the old ones have ended.

        Raises:
            ProcessDidNotStart: A new one did not come up; those not yet replaced go on.
            OSError: A new one could not be started.
        """
        old = list(self._places)
        for number in range(configuration.settings.processes):
            place = self._make(configuration)
            # Known before it runs, so that it is ended too if we are interrupted here.
            self._places.append(place)
            try:
                await place.start()
            except Exception:
                self._leave(place)
                raise
            if number < len(old):
                self._leave(old[number])
        for place in old[configuration.settings.processes :]:
            self._leave(place)
        await self._until_left()

    async def stop(self) -> None:
        """Let all finish what is in flight; return when they have ended."""
        for place in list(self._places):
            self._leave(place)
        await self._until_left()

    async def tally(self) -> Tally:
        """Sum up what all processes have counted, those that have ended too."""
        restarts = self._past_restarts + sum(place.restarts for place in self._places)
        own = Tally(counters=[(RESTARTS.name, (), restarts)])
        return total([await self._lines.tally(), own], GATEWAY)

    async def is_ready(self) -> Ready:
        """Tell whether a delivery could be answered 200 now."""
        return await self._lines.is_ready()

    def _make(self, configuration: Configuration) -> GatewayProcess:
        self._made += 1
        return GatewayProcess(
            f"gateway-{self._made}", configuration, self._sockets, self._log_format, self._lines
        )

    def _leave(self, place: GatewayProcess) -> None:
        if place not in self._places:
            return
        self._places.remove(place)
        self._past_restarts += place.restarts
        task = asyncio.create_task(place.stop(), name="leave")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _until_left(self) -> None:
        if self._leaving:
            await asyncio.wait(self._leaving)
