"""Workers that are told to end again and again under load: what became of the events out.

Deliveries come at fixed times; of several workers one after the other gets SIGTERM at a random
moment, and another takes its place. Every event must be handled exactly once, as if nothing had
been, and no consumer's name may be left.
"""

import os
import random
import signal
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.failures import ProgramFailed
from bench.gateway import gateway
from bench.holds.census import STREAM
from bench.holds.jobs import Job, job
from bench.holds.judging import judge, options
from bench.holds.numbered import number_of
from bench.holds.record import Record
from bench.holds.sender.jobs import send_until_told
from bench.holds.sender.opened import Pool
from bench.holds.sender.tally import Tally
from bench.holds.workers import ACTS, GROUP, acts, worker, write_handlers
from bench.processes import Program
from bench.store import Store, durable, store

_END_SECONDS = 60.0
_LOOK_SECONDS = 0.02
# Consumers of ours that are no worker's name.
_OURS = {b"@park", b"@left"}
# A handler takes long enough that an end finds some of them running.
_HANDLERS = f"""
    import asyncio, os
    from consumers import Event, Worker

    worker = Worker(group="{GROUP}")
    acts = os.open("{ACTS}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @worker.on("unipile:*", concurrency=20, read_ahead=100)
    async def count(event: Event) -> None:
        await asyncio.sleep(0.02)
        os.write(acts, f"{{event.id}}\\n".encode())
"""


@dataclass(slots=True)
class Workers:
    """Workers that share a group, each replaced when it was stopped.

    Args:
        directory: Where they run.
        redis: Where they read.
        processes: Of each of them.
        stops: How long each end took, and the exit codes that were not 0.
    """

    directory: Path
    redis: Store
    processes: int
    stops: list[float] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    _started: int = 0

    @contextmanager
    def one(self) -> Iterator[Program]:
        """Have one within the block, once it reads."""
        self._started += 1
        name, processes = f"worker-{self._started}", f"--processes={self.processes}"
        with worker(self.directory, self.redis.url, name, processes) as program:
            program.wait_for(
                lambda: program.log.read_text("utf-8").count("stream_joined") >= self.processes,
                "that all its processes read",
            )
            yield program

    def stop(self, program: Program) -> None:
        """Send SIGTERM, and wait for the end."""
        began = time.monotonic()
        os.kill(program.pid, signal.SIGTERM)
        code = program.process.wait(_END_SECONDS)
        self.stops.append(round(time.monotonic() - began, 2))
        if code:
            self.failures.append(code)

    def handled(self) -> Counter[int]:
        """Say how often each event was handled, by its number."""
        return Counter(number_of(words[0].encode()) for words in acts(self.directory))


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send, stop workers again and again, and judge what was handled and what is left."""
    with (
        store(directory, durable("everysec")) as redis,
        gateway(directory, redis.port) as relay,
    ):
        write_handlers(directory, _HANDLERS)
        workers = Workers(directory, redis, given.processes)
        pool = Pool(kept=32, most=128, fresh_every=0)
        with job(send_until_told, relay.port, 0, given.rate, pool) as sender:
            sender.heard()
            _stop_often(record, given, workers, sender)
            names = {consumer["name"] for consumer in _consumers(redis)}
            tally = sender.result(_END_SECONDS)
    _judge(record, workers, tally, names)


def _stop_often(record: Record, given: Namespace, workers: Workers, sender: Job[Tally]) -> None:
    """Stop one worker after the other, then let the last ones handle all, and stop them too."""
    chance = random.Random(given.seed)
    with ExitStack() as stack:
        places = [_enter(stack, workers) for _ in range(given.workers)]
        begun = time.monotonic()
        for number in range(given.stops):
            moment = begun + (number + chance.random()) * given.every
            _wait_until(moment, sender)
            workers.stop(places.pop(0))
            places.append(_enter(stack, workers))
            record.line("stop", number=number, seconds=workers.stops[-1])
        # Under load until the last has been replaced, however long that took.
        _wait_until(begun + given.stops * given.every, sender)
        sender.tell("enough")
        while not sender.is_done():
            time.sleep(_LOOK_SECONDS)
        _until_settled(workers.redis)
        for program in places:
            workers.stop(program)


def _wait_until(moment: float, sender: Job[Tally]) -> None:
    while time.monotonic() < moment:
        sender.said()
        time.sleep(_LOOK_SECONDS)


def _enter(stack: ExitStack, workers: Workers) -> Program:
    return stack.enter_context(workers.one())


def _until_settled(redis: Store) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        groups: Any = redis.client.xinfo_groups(STREAM)
        newest: Any = redis.client.xrevrange(STREAM, count=1)
        (group,) = [group for group in groups if group["name"] == GROUP.encode()]
        if not group["pending"] and group["last-delivered-id"] == newest[0][0]:
            return
        time.sleep(_LOOK_SECONDS)
    raise ProgramFailed(f"not all is settled within {_END_SECONDS:.0f} s")


def _consumers(redis: Store) -> list[dict[str, Any]]:
    found: Any = redis.client.xinfo_consumers(STREAM, GROUP)
    return list(found)


def _judge(record: Record, workers: Workers, tally: Tally, names: set[bytes]) -> None:
    handled = workers.handled()
    accepted = {number for number, yes in enumerate(tally.accepted) if yes}
    lost = len(accepted - handled.keys())
    doubled = sum(1 for times in handled.values() if times > 1)
    stops = len(workers.stops)
    record.say(
        "end",
        accepted=len(accepted),
        handled=len(handled),
        fastest_seconds=min(workers.stops),
        slowest_seconds=max(workers.stops),
    )
    record.judge(
        f"{stops} stops under load lose and double nothing",
        f"{len(accepted):,} answered 200, {lost} not handled, {doubled} handled twice",
        bound="each exactly once",
        holds=bool(accepted) and lost == doubled == 0,
    )
    record.judge(
        "every stop ends with 0",
        f"{len(workers.failures)} did not: {sorted(set(workers.failures))}",
        bound="none",
        holds=not workers.failures,
    )
    record.judge(
        "no consumer's name is left",
        f"{len(names - _OURS)} beside @park and @left",
        bound="none",
        holds=names <= _OURS,
    )


def main() -> int:
    """Read the options and run."""
    parser = options("What becomes of events while workers are stopped and replaced.")
    parser.add_argument("--stops", type=int, default=50)
    parser.add_argument("--every", type=float, default=2, help="seconds between stops at least")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--processes", type=int, default=1, help="of each worker")
    parser.add_argument("--rate", type=float, default=300, help="deliveries per second")
    parser.add_argument("--seed", type=int, default=1, help="for the moments of the stops")
    return judge("stops", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
