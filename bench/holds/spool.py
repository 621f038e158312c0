"""An outage of the store under load: a gateway with a spool in, what senders saw out.

The store is killed and comes back after a while; in the middle a process of the gateway is killed
too. With the spool every answer must be 200, and every event in its stream once soon after the
store is back. Without it (``--off``) each is 503, and none may be lost or doubled once senders
have sent all of it again.
"""

import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from bench.failures import ProgramFailed
from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.configured import add_deadline, configure
from bench.holds.figures import marks, told
from bench.holds.jobs import Job, job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.sender.jobs import send_events, send_plan
from bench.holds.sender.opened import Pool, Stretch
from bench.holds.sender.tally import RESET, Tally, answered_within
from bench.processes import Program, free_port, running
from bench.residence import children
from bench.store import client, durable
from bench.tools import path_of
from relay.spool.directory import Directory
from relay.spool.status import look

_WARM_SECONDS = 2.0
_DRAIN_SECONDS = 30.0
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_CONNECTIONS = 64
# What is in flight when a process is killed has no answer.
_IN_FLIGHT = _CONNECTIONS
# Without a spool the store stays away until so many were refused, and a little longer.
_REFUSED = 50
_REFUSED_SECONDS = 60.0
_REFUSED_NAME = 'relay_deliveries_total{endpoint="unipile",outcome="store_unavailable"}'
# A sender whose delivery was refused sends it again, and not once only.
_SENDINGS = 5


@dataclass(frozen=True, slots=True)
class _Outage:
    """When the store was away, on the monotonic clock.

    Args:
        killed: When it was killed.
        begun: When it was started again.
        drained: When the spool was empty.
    """

    killed: float
    begun: float
    drained: float


class _Store:
    """A store that can be killed, and started again on its port and files.

    Args:
        home: Where it has a directory of its own.
    """

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.client = client(self.port)
        self.home = home
        self._directory = home / "store"
        self._directory.mkdir()
        self._running = ExitStack()
        self._program: Program | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        place = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self._directory)}
        # Else what it has confirmed may be in its memory only when it is killed: on a busy disk.
        pairs = ({"save": ""} | place | durable("always")).items()
        command = [
            path_of("redis-server"),
            *(word for key, value in pairs for word in (f"--{key}", value)),
        ]
        self._program = self._running.enter_context(running("store", command, self._directory))
        self._program.wait_for(self._answers, "an answer to PING")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._program is not None, "it was started"
        self._program.process.kill()
        self._program.process.wait()

    def close(self) -> None:
        """End it."""
        self.client.close()
        self._running.close()

    def _answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.client.ping())
        return False


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send through an outage, and judge what senders saw and what is stored."""
    with closing(_Store(directory)) as store:
        store.start()
        with _gateway(directory, store, given) as relay:
            tally, outage = _through_outage(record, given, store, relay)
            again = _send_again(relay, tally.due) if given.off else None
        census = Census(store.client)
        census.read_on()
    record.say(
        "end",
        due=tally.due,
        outcomes=tally.counts(),
        latency_ms=marks(tally.latencies_ms),
        drained_seconds=round(outage.drained - outage.begun, 1),
    )
    if again is None:
        _judge_on(record, tally, census, outage)
    else:
        _judge_off(record, tally, outage, again, census)


@contextmanager
def _gateway(directory: Path, store: _Store, given: Namespace) -> Iterator[Gateway]:
    spool = [] if given.off else ["[spool]", f'directory = "{_spool(directory)}"']
    configure(directory, given, *spool)
    with gateway(directory, store.port, processes=given.processes) as relay:
        yield relay


def _through_outage(
    record: Record, given: Namespace, store: _Store, relay: Gateway
) -> tuple[Tally, _Outage]:
    """Send while the store is killed and comes back."""
    plan = [Stretch(given.rate, _WARM_SECONDS + given.seconds + given.after)]
    with job(send_plan, relay.port, 0, plan, Pool(kept=_CONNECTIONS)) as sender:
        sender.heard()
        _wait(_WARM_SECONDS, sender)
        store.kill()
        killed = time.monotonic()
        _wait(given.seconds / 2, sender)
        record.say("spool", events=_spooled(relay))
        if not given.off:
            os.kill(children(relay.pid)[0], signal.SIGKILL)
        _wait(given.seconds / 2, sender)
        if given.off:
            _until_refused(relay, sender)
        begun = time.monotonic()
        store.start()
        if not given.off:
            _until_drained(_spool(store.home))
        outage = _Outage(killed, begun, time.monotonic())
        return sender.result(given.seconds + _END_SECONDS), outage


def _until_refused(relay: Gateway, sender: Job[Tally]) -> None:
    """Return when the outage has been felt, however long a delivery waits and the machine takes."""
    deadline = time.monotonic() + _REFUSED_SECONDS
    while relay.gauges(_REFUSED_NAME).get(_REFUSED_NAME, 0) < _REFUSED:
        if time.monotonic() > deadline:
            raise ProgramFailed(f"nothing refused within {_REFUSED_SECONDS:.0f} s")
        _wait(_LOOK_SECONDS, sender)
    _wait(0.5, sender)


def _spool(home: Path) -> Path:
    return home / "spool"


def _until_drained(spool: Path) -> None:
    """Return when nothing lies in the spool, nor in what a killed process has left there.

    That has no gauge until another process has taken it over.
    """
    deadline = time.monotonic() + 2 * _DRAIN_SECONDS
    while any(file.events or file.state == "unreadable" for file in look(Directory(spool))):
        if time.monotonic() > deadline:
            raise ProgramFailed(f"not drained within {2 * _DRAIN_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _spooled(relay: Gateway) -> float | None:
    return relay.gauges("relay_spool_events").get("relay_spool_events")


def _wait(seconds: float, sender: Job[Tally]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sender.said()
        time.sleep(_LOOK_SECONDS)


def _send_again(relay: Gateway, events: int) -> Tally:
    """Send every event once more, as senders do that were answered 503 or not at all."""
    for _ in range(_SENDINGS):
        with job(send_events, relay.port, events, _CONNECTIONS) as sender:
            tally = sender.result(_END_SECONDS + events / 100)
        if tally.stored == events:
            break
    return tally


def _judge_on(record: Record, tally: Tally, census: Census, outage: _Outage) -> None:
    truth = census.truth(bytes(tally.accepted))
    resets = tally.outcomes[RESET]
    record.judge(
        "without a store all is answered 200, but for what a killed process had",
        f"{told(tally.counts())} of {tally.due:,}",
        bound=f"200, and at most {_IN_FLIGHT} reset",
        holds=tally.stored + resets == tally.due and resets <= _IN_FLIGHT,
    )
    record.judge(
        "every event answered 200 is in its stream once",
        f"{truth.entries:,} entries, {truth.lost} lost, {truth.doubled} doubled",
        bound="0 lost, 0 doubled",
        holds=truth.holds and truth.accepted == tally.stored > 0,
    )
    record.judge(
        "the spool is empty soon after the store is back",
        f"{outage.drained - outage.begun:.1f} s",
        bound=f"{_DRAIN_SECONDS:g} s",
        holds=outage.drained - outage.begun <= _DRAIN_SECONDS,
    )


def _judge_off(record: Record, tally: Tally, outage: _Outage, again: Tally, census: Census) -> None:
    # Those that came last wait long enough to see the store again.
    outcomes = answered_within(tally, outage.killed, outage.begun)
    record.judge(
        "without a spool what comes while the store is away is answered 503 with Retry-After",
        f"{told(dict(outcomes))}, {tally.unpromised} without Retry-After",
        bound="503 only",
        holds=set(outcomes) == {"503"} and tally.unpromised == 0,
    )
    truth = census.truth(bytes(again.accepted))
    record.judge(
        "sent again, every event is in its stream once",
        f"{told(again.counts())}, {truth.entries:,} entries, {truth.lost} lost, "
        f"{truth.doubled} doubled",
        bound="sent = answered 200 = entries",
        holds=truth.holds and again.stored == truth.entries == tally.due,
    )


def main() -> int:
    """Read the options and run."""
    parser = options("What senders see while the store is away.")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rate", type=float, default=500, help="deliveries per second")
    parser.add_argument("--seconds", type=float, default=60, help="how long the store is away")
    parser.add_argument("--after", type=float, default=5, help="seconds of load after that")
    parser.add_argument("--off", action="store_true", help="without a spool")
    add_deadline(parser)
    given = parser.parse_args()
    return judge("spool-off" if given.off else "spool", measure, given)


if __name__ == "__main__":
    sys.exit(main())
