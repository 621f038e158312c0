"""Load on a gateway that is renewed again and again: how it is renewed in, what senders saw out.

Kept-alive connections and a stream of fresh ones send at fixed times, from before the first
renewal until after the last. Nothing here knows how a gateway is renewed.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from bench.holds.census import Census
from bench.holds.figures import marks, told
from bench.holds.jobs import Job, job
from bench.holds.record import Record
from bench.holds.sender.jobs import send_until_told
from bench.holds.sender.opened import Pool
from bench.holds.sender.tally import REFUSED, RESET, UNCONNECTED, Tally

_WARM_SECONDS = 2.0
_END_SECONDS = 60.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Renewing:
    """A gateway that can be renewed.

    Args:
        port: Its ingress.
        times: How often it is renewed.
        renew: Renews it for the time with this number, writes down how it went, and returns when
            that is done.
    """

    port: int
    times: int
    renew: Callable[[int], None]


def add_load(parser: ArgumentParser, *, every: float) -> None:
    """Have a benchmark take what is sent, and how often the gateway is renewed meanwhile.

    Args:
        parser: Its parser.
        every: Seconds from the beginning of a renewal to that of the next, at least.
    """
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--every", type=float, default=every, help="seconds between them at least")
    parser.add_argument("--connections", type=int, default=64, help="kept alive")
    parser.add_argument("--rate", type=float, default=1000, help="deliveries per second")
    parser.add_argument("--fresh", type=float, default=100, help="of those on fresh connections")


def send(given: Namespace, relay: Renewing) -> Tally:
    """Send while the gateway is renewed."""
    fresh_every = round(given.rate / given.fresh) if given.fresh else 0
    pool = Pool(kept=given.connections, most=4 * given.connections, fresh_every=fresh_every)
    with job(send_until_told, relay.port, 0, given.rate, pool) as sender:
        sender.heard()
        _renew_often(given.every, relay, sender)
        sender.tell("enough")
        return sender.result(_END_SECONDS)


def judge_unharmed(record: Record, what: str, tally: Tally, census: Census) -> None:
    """Write down what senders saw and what is stored, and judge it.

    Args:
        record: Takes figures and verdicts.
        what: What must have refused nothing.
        tally: What senders saw.
        census: What is stored.
    """
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
    truth = census.truth(bytes(tally.accepted))
    refused = tally.outcomes[REFUSED] + tally.unopened[REFUSED]
    unopened = tally.outcomes[UNCONNECTED] + tally.unopened[UNCONNECTED]
    record.judge(
        f"{what} refuse and reset nothing",
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


def _renew_often(every: float, relay: Renewing, sender: Job[Tally]) -> None:
    begun = time.monotonic() + _WARM_SECONDS
    with ThreadPoolExecutor(max_workers=1) as beside:
        for number in range(relay.times):
            _wait_until(begun + number * every, sender)
            _listen_until(beside.submit(relay.renew, number), sender)
    # Under load until the last is through, however long it took.
    _wait_until(begun + relay.times * every, sender)


def _listen_until(renewal: Future[None], sender: Job[Tally]) -> None:
    """Hear the sender meanwhile: one that has failed sends nothing, and one unheard comes to wait.

    Its messages fill the pipe, and it is to send at fixed times.
    """
    while not renewal.done():
        sender.said()
        time.sleep(LOOK_SECONDS)
    renewal.result()


def _wait_until(moment: float, sender: Job[Tally]) -> None:
    while time.monotonic() < moment:
        sender.said()
        time.sleep(LOOK_SECONDS)
