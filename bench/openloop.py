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

import uvloop

from bench.connection import Connection
from bench.deliveries import Deliveries, read
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


class Sender:
    """Sends deliveries at a fixed rate over some connections.

    Args:
        made: What it sends.
        offset: From which one on.
        count: How many.
        per_second: How fast.
    """

    def __init__(self, made: Deliveries, offset: int, count: int, per_second: float) -> None:
        self._made, self._offset, self._count = made, offset, count
        self._interval_ns = 1_000_000_000 / per_second
        self._idle: deque[Connection] = deque()
        self._sent, self._settled = 0, 0
        self._start_ns, self._last_ns = 0, 0
        self._took_ns: list[int] = []
        self._late_ns: list[int] = []
        self._held_up, self._alive = 0, 0
        self._done = asyncio.Event()

    async def run(self, port: int, connections: int) -> Account:
        """Send all, wait for the answers, and give account.

        Raises:
            OSError: Nobody listens.
        """
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, made = await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
            self._idle.append(made)
        everyone, self._alive = list(self._idle), connections
        timer = ticking(int(self._interval_ns))
        self._start_ns = time.monotonic_ns() + int(self._interval_ns)
        loop.add_reader(timer, self._tick, timer)
        patience = self._count * self._interval_ns / 1e9 + _PATIENCE_SECONDS
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

    def answered(self, connection: Connection, intended_ns: int, *, is_ok: bool) -> None:
        """Note an answer; where none was free, the connection takes what has been waiting."""
        if is_ok:
            self._took_ns.append(time.monotonic_ns() - intended_ns)
        was_none_free = not self._idle
        self._idle.append(connection)
        self._settle()
        if was_none_free:
            self._held_up += len(self._send_due())

    def lost(self, connection: Connection) -> None:
        """Send nothing more on a connection that ended; its delivery has no answer."""
        if connection.is_busy:
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
        for intended_ns in self._send_due():
            self._late_ns.append(self._last_ns - intended_ns)

    def _send_due(self) -> list[int]:
        """Send what is due on free connections; give the times it was meant for."""
        meant = []
        while self._idle and self._sent < self._count:
            intended_ns = self._start_ns + int(self._sent * self._interval_ns)
            now_ns = time.monotonic_ns()
            if intended_ns > now_ns:
                break
            self._idle.popleft().send(self._made.request(self._offset + self._sent), intended_ns)
            self._sent += 1
            self._last_ns = now_ns
            meant.append(intended_ns)
        return meant

    def _account(self) -> Account:
        took, late = self._took_ns or [0], self._late_ns or [0]
        span_ns = max(1, self._last_ns - self._start_ns)
        return Account(
            wanted_per_second=round(1_000_000_000 / self._interval_ns, 1),
            kept_per_second=round(1_000_000_000 * max(0, self._sent - 1) / span_ns, 1),
            sent=self._sent,
            answered=len(self._took_ns),
            errors=self._count - len(self._took_ns),
            p50_ms=_ms(percentile(took, 50)),
            p99_ms=_ms(percentile(took, 99)),
            p999_ms=_ms(percentile(took, 99.9)),
            max_ms=_ms(max(took)),
            late_p50_ms=_ms(percentile(late, 50)),
            late_p99_ms=_ms(percentile(late, 99)),
            held_up=self._held_up,
        )


def _ms(ns: float) -> float:
    return round(ns / 1_000_000, 3)


def main() -> None:
    """Send as the command line says, and print the account as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="deliveries per second")
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    made = read(given.file)
    # A pause of ours would be counted as the server's.
    gc.freeze()
    gc.disable()

    async def send() -> Account:
        sender = Sender(made, given.offset, given.count, given.rate)
        return await sender.run(given.port, given.connections)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(send()))))


if __name__ == "__main__":
    main()
