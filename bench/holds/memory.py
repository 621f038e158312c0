"""Memory over two million events: a gateway under load in, how its memory went out.

What is resident after the first 100,000 events is held against every later sample. The streams
are trimmed from outside, entry by entry as they are counted, so that the store stays small.
"""

import sys
import time
from argparse import Namespace
from pathlib import Path

from bench.holds.accounting import peak_bytes, resident_bytes
from bench.holds.census import Census
from bench.holds.edge import judge, options
from bench.holds.figures import mib
from bench.holds.jobs import Job, job
from bench.holds.programs import Gateway, client, gateway, redis_server
from bench.holds.record import Record
from bench.holds.sender.jobs import send_events
from bench.holds.sender.tally import Tally

_SAMPLE_SECONDS = 1.0
_SHOW_SECONDS = 10.0
_END_SECONDS = 60.0
ALLOWED = 1.10


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send all events through one gateway, and judge its memory and the truth."""
    # The store keeps no file: what it costs is not the question here, and it would fill the disk.
    with (
        redis_server(directory, appendonly="no") as store,
        gateway(directory, store.port) as relay,
        job(send_events, relay.port, given.events, given.connections) as sender,
    ):
        census = Census(client(store.port))
        first, highest = _watch(record, given, relay, sender, census)
        tally = sender.result(_END_SECONDS)
        census.read_on(trim=True)
        last = resident_bytes(relay.pid)
        record.say(
            "end",
            events=tally.finished,
            first_bytes=first,
            last_bytes=last,
            highest_bytes=max(highest, last),
            peak_bytes=peak_bytes(relay.pid),
            outcomes=tally.counts(),
        )
    _judge(record, (first, max(highest, last)), tally, census, given)


def _watch(
    record: Record, given: Namespace, relay: Gateway, sender: Job[Tally], census: Census
) -> tuple[int, int]:
    """Sample until all is sent; give the first memory that counts and the highest after it."""
    first = highest = 0
    shown = 0.0
    started = time.monotonic()
    while not sender.is_done():
        census.read_on(trim=True)
        events, resident = int(str(sender.said() or 0)), resident_bytes(relay.pid)
        at = round(time.monotonic() - started, 2)
        record.line("sample", seconds=at, events=events, resident_bytes=resident)
        if at >= shown:
            shown += _SHOW_SECONDS
            print(f"{at:6.0f} s {events:9,} events {mib(resident):7} MiB", flush=True)
        if events >= given.early:
            first = first or resident
            highest = max(highest, resident)
        time.sleep(_SAMPLE_SECONDS)
    return first, highest


def _judge(
    record: Record, memory: tuple[int, int], tally: Tally, census: Census, given: Namespace
) -> None:
    first, highest = memory
    truth = census.truth(bytes(tally.accepted))
    record.judge(
        f"memory after {tally.finished:,} events as after the first {given.early:,}",
        f"{mib(first)} MiB, then at most {mib(highest)} MiB: {highest / max(first, 1):.3f}",
        bound=f"every later sample at most {ALLOWED}",
        holds=0 < highest <= ALLOWED * first,
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
    return judge("memory", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
