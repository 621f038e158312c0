"""A handler with one slot beside many idle streams: its rate alone in, its rate beside them out.

Workers run one after the other, alone and beside the idle streams in turn: what is compared was
measured within seconds of each other. A second pair has the idle streams in the same handler.
"""

import statistics
import sys
import time
from argparse import Namespace
from pathlib import Path

from bench.failures import ProgramFailed
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.workers import ACTS, GROUP, acts, fill, stream, worker, write_handlers
from bench.store import Store, durable, store
from relay.contract.stream import Stream

_LOOK_SECONDS = 0.05
_END_SECONDS = 120.0
_ALLOWED = 0.9
_HANDLERS = f"""
    import asyncio, os
    from consumers import Event, Worker

    worker = Worker(group="{GROUP}")
    book = os.open("{ACTS}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @worker.on("unipile:*", concurrency=1)
    async def handle(event: Event) -> None:
        await asyncio.sleep(0.001)
        os.write(book, f"{{event.id}} {{asyncio.get_running_loop().time()}}\\n".encode())

    @worker.on("other:*")
    async def idle(event: Event) -> None: ...
"""
# Where the idle streams are: with another handler, or with the same.
_TAGS = {"another": "other", "the same": "unipile"}


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Run every kind in turn, and judge the ratios."""
    ratios: dict[str, list[float]] = {kind: [] for kind in _TAGS}
    for number in range(given.rounds):
        for kind, tag in _TAGS.items():
            idle = [stream(f"idle-{n}", tag) for n in range(given.idle)]
            alone = _rate(directory / f"{number}-{tag}-alone", [], given)
            beside = _rate(directory / f"{number}-{tag}-beside", idle, given)
            ratios[kind].append(beside / alone)
            record.say("round", idle=kind, alone=round(alone), beside=round(beside))
    for kind, found in ratios.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        record.judge(
            f"a handler of 1 ms with one slot, {given.idle} idle streams of {kind} handler",
            f"{middle:.2f} of its rate alone ({low:.2f} – {high:.2f})",
            bound=f"{_ALLOWED} at least",
            holds=middle >= _ALLOWED,
        )


def _rate(directory: Path, idle: list[Stream], given: Namespace) -> float:
    """Give how many events a second one worker handles."""
    directory.mkdir()
    write_handlers(directory, _HANDLERS)
    with store(directory, durable("everysec")) as redis:
        return _handled(directory, redis, idle, given)


def _handled(directory: Path, redis: Store, idle: list[Stream], given: Namespace) -> float:
    for one in idle:
        fill(redis.client, one, [f"idle_{one.event_type}"])
    fill(redis.client, stream("busy"), [f"busy_{number}" for number in range(given.events)])
    with worker(directory, redis.url, "worker"):
        deadline = time.monotonic() + _END_SECONDS
        while len(_times(directory)) < given.events:
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{len(_times(directory))} of {given.events} handled")
            time.sleep(_LOOK_SECONDS)
    times = _times(directory)
    # The first tenth is what it takes to start.
    begin = len(times) // 10
    return (len(times) - begin) / (times[-1] - times[begin])


def _times(directory: Path) -> list[float]:
    return [float(act[1]) for act in acts(directory) if act[0].startswith("busy")]


def main() -> int:
    """Read the options and run."""
    parser = options("The rate of a handler with one slot beside idle streams.")
    parser.add_argument("--idle", type=int, default=40, help="streams in which nothing comes")
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    return judge("slot", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
