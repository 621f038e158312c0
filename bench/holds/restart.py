"""Rolling restarts under load: a gateway that is told to renew itself in, what senders saw out.

Kept-alive connections and a stream of fresh ones send at fixed times, while the processes are
replaced several times. Every delivery must be answered 200 and stored once, as if nothing had
been.
"""

import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.failures import ProgramFailed
from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.configured import add_deadline, configure
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.renewing import LOOK_SECONDS, Renewing, add_load, judge_unharmed, send
from bench.processes import free_port
from bench.residence import children
from bench.store import durable, store

_RENEWED_SECONDS = 60.0


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send, renew the gateway again and again, and judge what senders saw and what is stored."""
    configure(directory, given)
    renewing = _hard if given.hard else _rolling
    with (
        store(directory, durable("everysec")) as redis,
        renewing(record, directory, redis.port, given) as relay,
    ):
        tally = send(given, relay)
        census = Census(redis.client)
        census.read_on()
    how = "hard" if given.hard else "rolling"
    judge_unharmed(record, f"{given.restarts} {how} restarts", tally, census)


@contextmanager
def _rolling(
    record: Record, directory: Path, redis_port: int, given: Namespace
) -> Iterator[Renewing]:
    """Have a gateway that replaces its processes on SIGHUP."""
    with gateway(directory, redis_port, processes=given.processes) as relay:
        renew = _timed(record, lambda: _reload(relay, given.processes))
        yield Renewing(relay.port, given.restarts, renew)


def _reload(relay: Gateway, processes: int) -> None:
    """Replace the processes, and return when the old ones have ended."""
    old = set(children(relay.pid))
    os.kill(relay.pid, signal.SIGHUP)

    def renewed() -> bool:
        now = set(children(relay.pid))
        return len(now) >= processes and not now & old

    deadline = time.monotonic() + _RENEWED_SECONDS
    while not renewed():
        if time.monotonic() > deadline:
            raise ProgramFailed(f"not renewed within {_RENEWED_SECONDS:.0f} s of SIGHUP")
        time.sleep(LOOK_SECONDS)


@contextmanager
def _hard(record: Record, directory: Path, redis_port: int, given: Namespace) -> Iterator[Renewing]:
    """Have a gateway that is ended and started anew: what a rolling restart must be better than."""
    port = free_port()
    running = [gateway(directory, redis_port, port=port)]
    running[0].__enter__()

    def renew() -> None:
        running[0].__exit__(None, None, None)
        running[0] = gateway(directory, redis_port, port=port)
        running[0].__enter__()

    try:
        yield Renewing(port, given.restarts, _timed(record, renew))
    finally:
        running[0].__exit__(None, None, None)


def _timed(record: Record, renew: Callable[[], None]) -> Callable[[int], None]:
    """Write down how long each takes."""

    def renew_one(number: int) -> None:
        started = time.monotonic()
        renew()
        record.say("restart", number=number, seconds=round(time.monotonic() - started, 2))

    return renew_one


def main() -> int:
    """Read the options and run."""
    parser = options("What senders see while the gateway's processes are replaced.")
    parser.add_argument("--restarts", type=int, default=5)
    add_load(parser, every=8)
    parser.add_argument(
        "--hard", action="store_true", help="end it and start it anew: the counter-check"
    )
    add_deadline(parser)
    given = parser.parse_args()
    # The counter-check is not what the page shows.
    name = "restart-hard" if given.hard else "restart"
    return judge(name, measure, given)


if __name__ == "__main__":
    sys.exit(main())
