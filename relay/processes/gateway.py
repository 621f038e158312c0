"""One gateway process as its parent sees it: kept running, and ended without loss.

A configuration and listening sockets come in, a running process goes out. What it is told goes
over a socket pair, never by arguments or environment.
"""

import asyncio
import socket
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress

from relay.contract.errors import RelayError
from relay.contract.logs import LogFormat
from relay.processes.configuration import Configuration
from relay.supervise import KeptProcess, module_command, start_child
from relay.supervise.line import Line, Lines
from relay.supervise.messages import Channel

CHILD = "relay.processes"
# Importing takes a second, on a machine that is busy several.
UP_SECONDS = 30.0
# What a child needs beyond its grace period: to cut the rest, and to hear the store's last word;
# with a spool also to try once more to drain it.
END_SECONDS = 5.0


class ProcessDidNotStart(RelayError):
    """A gateway process ended, or took no deliveries, right after its start; see its log."""


class GatewayProcess:
    """A place that is filled by one process after the other, all of one configuration.

    ``start`` or ``begin``, and ``stop``, may come in any order and twice.

    Args:
        name: Its name in logs.
        configuration: What its processes are to be.
        sockets: What they accept on.
        log_format: How they log.
        lines: Knows all children of this parent.
    """

    def __init__(
        self,
        name: str,
        configuration: Configuration,
        sockets: Sequence[socket.socket],
        log_format: LogFormat,
        lines: Lines,
    ) -> None:
        settings = configuration.settings
        self._begin = configuration.begin([one.fileno() for one in sockets], log_format)
        self._lines = lines
        self._line: Line | None = None
        self._kept = KeptProcess(
            name,
            self._launch,
            wait_until_up=self._wait_until_up,
            ask_to_end=self._ask_to_end,
            grace_seconds=settings.grace_seconds + settings.append_deadline_seconds + END_SECONDS,
            starts=float("inf"),
        )

    @property
    def restarts(self) -> int:
        """How often its process had ended by itself and was started again."""
        return self._kept.restarts

    def begin(self) -> None:
        """Start it and go on trying where it does not come up, without waiting for that."""
        self._kept.begin()

    async def start(self) -> None:
        """Start it and return when it takes deliveries.

        Raises:
            ProcessDidNotStart: It ended, or took too long; nothing of it is left.
            OSError: It could not be started.
        """
        await self._kept.start()

    async def stop(self) -> None:
        """Let it finish what is in flight; return when it has ended, killed at the latest."""
        await self._kept.stop()

    async def _launch(self) -> Process:
        ours, theirs = socket.socketpair()
        with theirs:
            channel = await Channel.over(ours)
            self._line = self._lines.open(channel)
            try:
                return await start_child(
                    module_command(CHILD, str(theirs.fileno())),
                    inherit=[theirs.fileno(), *self._begin.listening],
                )
            except BaseException:
                channel.close()
                raise

    async def _wait_until_up(self, _: Process) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(UP_SECONDS):
                if self._line is not None and await self._line.begin(self._begin):
                    return
        raise ProcessDidNotStart

    async def _ask_to_end(self, _: Process) -> None:
        if self._line is not None:
            await self._line.run_out()
