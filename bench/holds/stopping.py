"""Senders that stop one byte before the end of a body: how many comes in, what became of them out.

Each has its own connection and keeps it open for as long as the gateway lets it. They never send
the last byte, and none comes again.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

from bench.connection import parse
from bench.holds.figures import told
from bench.holds.jobs import Channel
from bench.holds.numbered import body, signed
from bench.holds.sender.jobs import run

_OPENING_AT_ONCE = 100
_OPEN_SECONDS = 20.0
_SAY_SECONDS = 0.2


@dataclass(slots=True)
class Fates:
    """What became of the connections.

    Args:
        open: How many are open and unanswered now.
        sent: How many of those have sent all but the last byte.
        answers: Status -> how often.
        silent: Closed without an answer.
        unopened: Could not be opened.
    """

    open: int = 0
    sent: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    silent: int = 0
    unopened: int = 0

    def told(self) -> str:
        """Write them for people."""
        return (
            f"{self.sent:,} unfinished, answered {told(self.answers)}, {self.silent:,} closed "
            f"silently, {self.unopened:,} not opened"
        )


class _Stopping(asyncio.Protocol):
    """One of them.

    Args:
        fates: Where its end is noted.
        request: All but the last byte.
    """

    def __init__(self, fates: Fates, request: bytes) -> None:
        self._fates = fates
        self._request = request
        self._received = b""
        self._answered = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def close(self) -> None:
        """Close it, if it is open."""
        if self._transport is not None:
            self._transport.abort()

    def is_open(self) -> bool:
        """Tell whether the gateway still waits for the last byte."""
        return self._transport is not None and not self._answered

    def is_sent(self) -> bool:
        """Tell whether it is open, and the kernel has all that this one sends."""
        if self._transport is None or self._answered:
            return False
        return not self._transport.get_write_buffer_size()

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = parse(self._received)
        if answer is not None and not self._answered:
            self._answered = True
            answers, status = self._fates.answers, str(answer.status)
            answers[status] = answers.get(status, 0) + 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a loss is a loss
        self._transport = None
        self._fates.silent += not self._answered


def stop_short(
    channel: Channel, port: int, connections: int, addresses: int, body_bytes: int, rate: float
) -> None:
    """Open the connections and hold them until told to end; says their `Fates`.

    Args:
        channel: Hears anything as the word to end.
        port: The gateway's.
        connections: How many.
        addresses: From how many of loopback's; one is that of everybody else.
        body_bytes: How long each body says that it is.
        rate: How many are opened per second.
    """
    crowd = Crowd(port, request_of(body_bytes))
    run(_stop_short(channel, crowd, sources_of(connections, addresses), rate))


def request_of(body_bytes: int) -> bytes:
    """Make a request without its last byte.

    The whole body is signed, since a gateway may look at the head before it reads on.
    """
    return signed(body(0).ljust(body_bytes))[:-1]


def sources_of(connections: int, addresses: int) -> list[str]:
    """Give the address that each connection comes from; one is that of everybody else."""
    if addresses == 1:
        return ["127.0.0.1"] * connections
    return [
        f"127.1.{number % addresses // 250}.{number % addresses % 250 + 1}"
        for number in range(connections)
    ]


async def _stop_short(channel: Channel, crowd: "Crowd", sources: list[str], rate: float) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(channel.fileno(), ended.set)
    opening = asyncio.create_task(crowd.open_all(sources, rate))
    while not ended.is_set():
        channel.say(crowd.count())
        await asyncio.sleep(_SAY_SECONDS)
    opening.cancel()
    crowd.close()


class Crowd:
    """All of them.

    Args:
        port: The gateway's.
        request: What each sends.
    """

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._fates = Fates()
        self._all: list[_Stopping] = []
        self._slots = asyncio.Semaphore(_OPENING_AT_ONCE)

    def count(self) -> Fates:
        """Say what became of them until now."""
        self._fates.open = sum(one.is_open() for one in self._all)
        self._fates.sent = sum(one.is_sent() for one in self._all)
        return self._fates

    async def open_all(self, sources: list[str], rate: float) -> None:
        """Open one connection from each source, so many per second."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as opening:
            for number, source in enumerate(sources):
                await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
                await self._slots.acquire()
                opening.create_task(self._open(source))

    def close(self) -> None:
        """Close all that are open."""
        for one in self._all:
            one.close()

    async def _open(self, source: str) -> None:
        one = _Stopping(self._fates, self._request)
        self._all.append(one)
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await asyncio.get_running_loop().create_connection(
                    lambda: one, "127.0.0.1", self._port, local_addr=(source, 0)
                )
        except (OSError, TimeoutError):
            self._fates.unopened += 1
        finally:
            self._slots.release()
