"""The open-loop sender: each delivery has its time, whether earlier ones are answered or not.

A file of deliveries and a rate in, latencies out, each counted from the time at which the
delivery was meant to be sent: what a slow server delays is not left out. It says how late it
was itself, so that nobody takes its own delay for the server's.

Source: https://www.scylladb.com/2021/04/22/on-coordinated-omission/
"""

import argparse
import asyncio
import gc
import json
import os
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import uvloop

from bench.connection import Answer, Connection, Sent
from bench.deliveries import read
from bench.entries import Entries, StoreConnection
from bench.statistic import percentile
from bench.timer import ticking

_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """What an open-loop sender did and was told.

    Args:
        wanted_per_second: The rate it was asked for.
        kept_per_second: The rate at which it sent.
        sent: Deliveries sent.
        answered: Of those, answered 200.
        errors: Answered otherwise, or not at all.
        p50_ms: From the intended send time to the whole answer.
        p99_ms: The same.
        p999_ms: The same.
        max_ms: The same.
        late_p50_ms: How far after its time a delivery went out, where a connection was free.
        late_p99_ms: The same.
        held_up: Deliveries that had to wait for a free connection.
        begun: For when the first was meant, on the monotonic clock.
        interval: Seconds from one to the next.
    """

    wanted_per_second: float
    kept_per_second: float
    sent: int
    answered: int
    errors: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_p50_ms: float
    late_p99_ms: float
    held_up: int
    begun: float
    interval: float

    def due(self, number: int) -> float:
        """Say for when a delivery was meant, on the monotonic clock."""
        return self.begun + number * self.interval


class Requests(Protocol):
    """What is sent, by number."""

    def request(self, number: int) -> bytes:
        """Give the bytes of one."""


class Sender:
    """Sends deliveries at a fixed rate over some connections.

    Args:
        made: What it sends.
        offset: From which one on.
        count: How many.
        per_second: How fast.
    """

    def __init__(self, made: Requests, offset: int, count: int, per_second: float) -> None:
        self._made, self._offset, self._count = made, offset, count
        self._interval = 1 / per_second
        self._idle: deque[Connection] = deque()
        self._sent, self._settled = 0, 0
        # Seconds, like all times here.
        self._start, self._last = 0.0, 0.0
        self._took: list[float] = []
        self._late: list[float] = []
        self._held_up, self._alive = 0, 0
        self._done = asyncio.Event()

    async def run(
        self, port: int, connections: int, kind: type[Connection] = Connection
    ) -> Account:
        """Send all, wait for the answers, and give account.

        Args:
            port: On loopback.
            connections: How many to use.
            kind: What the other side speaks.

        Raises:
            OSError: Nobody listens.
        """
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, made = await loop.create_connection(
                lambda: kind(self._answered, self._lost), "127.0.0.1", port
            )
            self._idle.append(made)
        everyone, self._alive = list(self._idle), connections
        timer = ticking(int(1_000_000_000 * self._interval))
        self._start = time.monotonic() + self._interval
        loop.add_reader(timer, self._tick, timer)
        patience = self._count * self._interval + _PATIENCE_SECONDS
        try:
            async with asyncio.timeout(patience):
                await self._done.wait()
        except TimeoutError:
            pass  # what has no answer by now counts as an error
        finally:
            loop.remove_reader(timer)
            os.close(timer)
        account = self._account()
        for connection in everyone:
            connection.close()
        return account

    def _answered(self, connection: Connection, sent: Sent, answer: Answer) -> None:
        """Note an answer; where none was free, the connection takes what has been waiting."""
        if answer.status == 200:
            self._took.append(time.monotonic() - sent.due)
        was_none_free = not self._idle
        self._idle.append(connection)
        self._settle()
        if was_none_free:
            self._held_up += len(self._send_due())

    def _lost(self, connection: Connection) -> None:
        """Send nothing more on a connection that ended; its delivery has no answer."""
        if connection.sent is not None:
            self._settle()
        elif connection in self._idle:
            self._idle.remove(connection)
        self._alive -= 1
        if not self._alive:
            self._done.set()

    def _settle(self) -> None:
        self._settled += 1
        if self._settled >= self._count:
            self._done.set()

    def _tick(self, timer: int) -> None:
        os.read(timer, 8)
        for due in self._send_due():
            self._late.append(self._last - due)

    def _send_due(self) -> list[float]:
        """Send what is due on free connections; give the times it was meant for."""
        meant = []
        while self._idle and self._sent < self._count:
            due, now = self._start + self._sent * self._interval, time.monotonic()
            if due > now:
                break
            number = self._offset + self._sent
            self._idle.popleft().send(Sent(number, due, now), self._made.request(number))
            self._sent += 1
            self._last = now
            meant.append(due)
        return meant

    def _account(self) -> Account:
        took, late = self._took or [0.0], self._late or [0.0]
        span = max(self._interval, self._last - self._start)
        return Account(
            wanted_per_second=round(1 / self._interval, 1),
            kept_per_second=round(max(0, self._sent - 1) / span, 1),
            sent=self._sent,
            answered=len(self._took),
            errors=self._count - len(self._took),
            p50_ms=_ms(percentile(took, 50)),
            p99_ms=_ms(percentile(took, 99)),
            p999_ms=_ms(percentile(took, 99.9)),
            max_ms=_ms(max(took)),
            late_p50_ms=_ms(percentile(late, 50)),
            late_p99_ms=_ms(percentile(late, 99)),
            held_up=self._held_up,
            begun=self._start,
            interval=self._interval,
        )


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)


def main() -> None:
    """Send as the command line says, and print the account as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="deliveries per second")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--stream", default="", help="append the events to it, port is a store's")
    given = parser.parse_args()
    deliveries = read(given.file)
    made, kind = (
        (Entries(deliveries, given.stream), StoreConnection)
        if given.stream
        else (deliveries, Connection)
    )
    # A pause of ours would be counted as the server's.
    gc.freeze()
    gc.disable()

    async def send() -> Account:
        sender = Sender(made, given.offset, given.count, given.rate)
        return await sender.run(given.port, given.connections, kind)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(send()))))


if __name__ == "__main__":
    main()
