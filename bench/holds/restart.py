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
from dataclasses import dataclass
from pathlib import Path

from bench.failures import ProgramFailed
from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.configured import add_deadline, configure
from bench.holds.figures import marks, told
from bench.holds.jobs import Job, job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.sender.jobs import send_until_told
from bench.holds.sender.opened import Pool
from bench.holds.sender.tally import REFUSED, RESET, UNCONNECTED, Tally
from bench.processes import free_port
from bench.residence import children
from bench.store import durable, store

_WARM_SECONDS = 2.0
_RENEWED_SECONDS = 60.0
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Renewing:
    """A gateway that can be renewed.

    Args:
        port: Its ingress.
        renew: Renews it, and returns when that is done.
    """

    port: int
    renew: Callable[[], None]


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send, renew the gateway again and again, and judge what senders saw and what is stored."""
    configure(directory, given)
    renewing = _hard if given.hard else _rolling
    with (
        store(directory, durable("everysec")) as redis,
        renewing(directory, redis.port, given) as relay,
    ):
        tally = _send(record, given, relay)
        census = Census(redis.client)
        census.read_on()
    record.say(
        "end",
        due=tally.due,
        outcomes=tally.counts(),
        unopened=dict(tally.unopened),
        announced=tally.announced,
        idle_closed=tally.idle_closed,
        latency_ms=marks(tally.latencies_ms),
        late_ms=marks(tally.lates_ms),
    )
    _judge(record, given, tally, census)


@contextmanager
def _rolling(directory: Path, redis_port: int, given: Namespace) -> Iterator[Renewing]:
    """Have a gateway that replaces its processes on SIGHUP."""
    with gateway(directory, redis_port, processes=given.processes) as relay:
        yield Renewing(relay.port, lambda: _reload(relay, given.processes))


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
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _hard(directory: Path, redis_port: int, _: Namespace) -> Iterator[Renewing]:
    """Have a gateway that is ended and started anew: what a rolling restart must be better than."""
    port = free_port()
    running = [gateway(directory, redis_port, port=port)]
    running[0].__enter__()

    def renew() -> None:
        running[0].__exit__(None, None, None)
        running[0] = gateway(directory, redis_port, port=port)
        running[0].__enter__()

    try:
        yield Renewing(port, renew)
    finally:
        running[0].__exit__(None, None, None)


def _send(record: Record, given: Namespace, relay: Renewing) -> Tally:
    fresh_every = round(given.rate / given.fresh) if given.fresh else 0
    pool = Pool(kept=given.connections, most=4 * given.connections, fresh_every=fresh_every)
    with job(send_until_told, relay.port, 0, given.rate, pool) as sender:
        sender.heard()
        _renew_often(record, given, relay, sender)
        sender.tell("enough")
        return sender.result(_END_SECONDS)


def _renew_often(record: Record, given: Namespace, relay: Renewing, sender: Job[Tally]) -> None:
    begun = time.monotonic() + _WARM_SECONDS
    for number in range(given.restarts):
        _wait_until(begun + number * given.every, sender)
        started = time.monotonic()
        relay.renew()
        record.say("restart", number=number, seconds=round(time.monotonic() - started, 2))
    # Under load until the last is through, however long it took.
    _wait_until(begun + given.restarts * given.every, sender)


def _wait_until(moment: float, sender: Job[Tally]) -> None:
    while time.monotonic() < moment:
        sender.said()
        time.sleep(_LOOK_SECONDS)


def _judge(record: Record, given: Namespace, tally: Tally, census: Census) -> None:
    truth = census.truth(bytes(tally.accepted))
    refused = tally.outcomes[REFUSED] + tally.unopened[REFUSED]
    unopened = tally.outcomes[UNCONNECTED] + tally.unopened[UNCONNECTED]
    how = "hard" if given.hard else "rolling"
    record.judge(
        f"{given.restarts} {how} restarts refuse and reset nothing",
        f"{refused} refused, {tally.outcomes[RESET]} reset, {unopened} not opened of {tally.due:,}",
        bound="0 of each",
        holds=refused + tally.outcomes[RESET] + unopened == 0,
    )
    record.judge(
        "every answer is 200 and every event stored once",
        f"{told(tally.counts())} of {tally.due:,}, {truth.entries:,} entries, {truth.lost} lost, "
        f"{truth.doubled} doubled",
        bound="sent = answered 200 = entries",
        holds=truth.holds and 0 < tally.due == tally.stored == truth.entries,
    )


def main() -> int:
    """Read the options and run."""
    parser = options("What senders see while the gateway's processes are replaced.")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--every", type=float, default=8, help="seconds between restarts at least")
    parser.add_argument("--connections", type=int, default=64, help="kept alive")
    parser.add_argument("--rate", type=float, default=1000, help="deliveries per second")
    parser.add_argument("--fresh", type=float, default=100, help="of those on fresh connections")
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
