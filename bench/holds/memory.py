"""Memory over two million events: a gateway under load in, how its memory went out.

What is resident after the first 100,000 events is held against every later sample. The streams
are trimmed from outside, entry by entry as they are counted, so that the store stays small.
"""

import sys
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.configured import add_deadline, configure
from bench.holds.figures import growth, mib
from bench.holds.jobs import Job, job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.sender.jobs import send_events
from bench.holds.sender.tally import Tally
from bench.residence import peak_bytes, resident_by_process
from bench.store import store

_SAMPLE_SECONDS = 1.0
_SHOW_SECONDS = 10.0
_END_SECONDS = 60.0
ALLOWED = 1.10


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send all events through one gateway, and judge its memory and the truth."""
    configure(directory, given)
    # The store keeps no file: what it costs is not the question here, and it would fill the disk.
    with (
        store(directory, {}) as redis,
        gateway(directory, redis.port) as relay,
        job(send_events, relay.port, given.events, given.connections) as sender,
    ):
        census = Census(redis.client)
        looks = _watch(record, relay, sender, census)
        tally = sender.result(_END_SECONDS)
        census.read_on(trim=True)
        looks.append(Look(tally.finished, resident_by_process(relay.pid)))
        record.say(
            "end",
            events=tally.finished,
            resident_bytes=looks[-1].bytes,
            peak_bytes=peak_bytes(relay.pid),
            outcomes=tally.counts(),
        )
    _judge(record, looks, tally, census, given)


@dataclass(frozen=True, slots=True)
class Look:
    """How much memory the gateway had at one time.

    Args:
        events: How many deliveries had their outcome.
        by_process: Process -> resident bytes.
    """

    events: int
    by_process: dict[int, int]

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(self.by_process.values())


def _watch(record: Record, relay: Gateway, sender: Job[Tally], census: Census) -> list[Look]:
    """Look again and again until all is sent."""
    looks: list[Look] = []
    shown, started = 0.0, time.monotonic()
    while not sender.is_done():
        census.read_on(trim=True)
        look = Look(int(str(sender.said() or 0)), resident_by_process(relay.pid))
        looks.append(look)
        at = round(time.monotonic() - started, 2)
        processes = list(look.by_process.values())
        record.line(
            "sample", seconds=at, events=look.events, resident_bytes=look.bytes, processes=processes
        )
        if at >= shown:
            shown += _SHOW_SECONDS
            print(f"{at:6.0f} s {look.events:9,} events {mib(look.bytes):7} MiB", flush=True)
        time.sleep(_SAMPLE_SECONDS)
    return looks


def _judge(
    record: Record, looks: list[Look], tally: Tally, census: Census, given: Namespace
) -> None:
    later = [look for look in looks if look.events >= given.early]
    grown = max(growth(later[0].by_process, look.by_process) for look in later)
    highest = max(look.bytes for look in later)
    truth = census.truth(bytes(tally.accepted))
    record.judge(
        f"memory after {tally.finished:,} events as after the first {given.early:,}",
        f"{mib(later[0].bytes)} MiB, then at most {mib(highest)} MiB; grown by {grown:.3f}",
        bound=f"at every moment at most {ALLOWED:.2f}, all together and each process",
        holds=grown <= ALLOWED and tally.finished >= given.events > given.early,
    )
    record.judge(
        "every delivery is answered 200 and stored once",
        f"{tally.due:,} sent, {tally.stored:,} answered 200, {truth.entries:,} entries, "
        f"{truth.lost} lost, {truth.doubled} doubled",
        bound="sent = answered = entries",
        holds=truth.holds and given.events == tally.due == tally.stored == truth.entries,
    )


def main() -> int:
    """Read the options and run."""
    parser = options("Memory of the gateway over many events.")
    parser.add_argument("--events", type=int, default=2_000_000, help="how many in all")
    parser.add_argument("--early", type=int, default=100_000, help="what counts as the start")
    parser.add_argument("--connections", type=int, default=64)
    add_deadline(parser)
    return judge("memory", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
