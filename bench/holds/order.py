"""Order under failures and kills: events with keys in, what became of each key's order out.

First some processes handle the events of many keys, some of which fail at first, while the
process that reads the stream is killed twice. Then one key fails for a while with many events
behind it, and the other keys' rate is held against their rate without it.
"""

import os
import signal
import statistics
import sys
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis

from bench.failures import ProgramFailed
from bench.holds.figures import mib
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.workers import ACTS, GROUP, KEYS, acts, fill, stream, worker, write_handlers
from bench.processes import Program
from bench.residence import resident_bytes
from bench.store import Store, durable, store
from relay.contract.connect import text_of

_LOOK_SECONDS = 0.1
_END_SECONDS = 300.0
_MANY, _ONE = stream("many"), stream("one")
# A first act may come again after a kill; what must not happen is that it comes too late.
_HANDLERS = f"""
    import asyncio, os, zlib
    from consumers import Event, Retry, Worker

    worker = Worker(group="{GROUP}")
    book = os.open("{ACTS}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    often = Retry(attempts=1000, base_seconds=0.2, cap_seconds=0.2)

    def key_of(event):
        return event.id.partition("_")[0]

    def note(event):
        os.write(book, f"{{event.type}} {{event.id}}\\n".encode())

    @worker.on("unipile:many", order_by=key_of, retry=often, concurrency=50, read_ahead=400)
    async def handle_many(event: Event) -> None:
        await asyncio.sleep(0.001)
        if zlib.crc32(event.id.encode()) % 10 == 0 and event.attempt < 3:
            raise ValueError("at first")
        note(event)

    @worker.on("unipile:one", order_by=key_of, retry=often, concurrency=50, read_ahead=400)
    async def handle_one(event: Event) -> None:
        if event.id.startswith("bad_") and os.path.exists("failing"):
            raise ValueError("for a while")
        await asyncio.sleep(0.001)
        note(event)
"""


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Run both parts on one store, and judge them."""
    write_handlers(directory, _HANDLERS)
    with store(directory, durable("everysec")) as redis:
        _judge_kills(record, given, directory, redis)
        _judge_one_key(record, given, directory, redis)


def _judge_kills(record: Record, given: Namespace, directory: Path, redis: Store) -> None:
    ids = [f"k{n % given.keys}_{n // given.keys}" for n in range(given.events)]
    fill(redis.client, _MANY, ids)
    with _workers(directory, redis, given.processes) as programs:
        for number in range(given.kills):
            _wait(directory, "many", len(ids) * (number + 1) // (given.kills + 1))
            _kill_owner(record, redis.client, programs)
        _wait(directory, "many", len(ids))
        _until(lambda: not redis.client.xpending(_MANY.key, GROUP)["pending"], "nothing pending")
    firsts = _first_acts(directory, "many")
    broken = [key for key, numbers in firsts.items() if numbers != sorted(numbers)]
    runs = sum(1 for act in acts(directory) if act[0] == "many")
    record.judge(
        f"{given.processes} processes, {given.kills} owners killed: order kept, all handled",
        f"{sum(map(len, firsts.values())):,} of {len(ids):,} handled, {len(broken)} of "
        f"{given.keys} keys out of order, {runs - len(ids)} handled again",
        bound="all, none out of order",
        holds=not broken and sum(map(len, firsts.values())) == len(ids),
    )


def _judge_one_key(record: Record, given: Namespace, directory: Path, redis: Store) -> None:
    ratios, resident = [], []
    with _workers(directory, redis, 1) as (program,):
        _other_keys(directory, redis.client, given, "warm")
        for number in range(given.rounds):
            alone = _other_keys(directory, redis.client, given, f"a{number}")
            before = resident_bytes(program.pid)
            with _failing(directory, redis.client, given, number):
                beside = _other_keys(directory, redis.client, given, f"b{number}")
                resident.append(resident_bytes(program.pid) - before)
            ratios.append(beside / alone)
            record.say(
                "round", alone=round(alone), beside=round(beside), grown_mib=mib(resident[-1])
            )
        in_order = _first_acts(directory, "one")["bad"]
    record.judge(
        f"one key fails with {given.behind:,} events behind it: the others keep their rate",
        f"{statistics.median(ratios):.2f} of it ({min(ratios):.2f} – {max(ratios):.2f})",
        bound="0.9 at least",
        holds=statistics.median(ratios) >= 0.9,
    )
    record.judge(
        "memory stays flat meanwhile",
        f"grown by {mib(max(resident))} MiB at most",
        bound="16 MiB",
        holds=max(resident) <= 16 * 1024 * 1024,
    )
    record.judge(
        "that key's order is kept afterwards",
        f"{len(in_order):,} handled",
        bound="all, in order",
        holds=in_order == list(range(given.rounds * given.behind)),
    )


@contextmanager
def _workers(directory: Path, redis: Store, count: int) -> Iterator[list[Program]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(worker(directory, redis.url, f"worker-{number}"))
            for number in range(count)
        ]


def _kill_owner(record: Record, redis: Redis, programs: list[Program]) -> None:
    """Kill the process that reads the stream; its name has its process id in it."""
    owner = text_of(redis.hget(KEYS.owner("unipile", GROUP, "many"), "consumer") or b"")
    pid = int(owner.rsplit("-", 2)[1])
    if pid not in {program.pid for program in programs}:
        raise ProgramFailed(f"the owner {owner!r} is none of the workers")
    os.kill(pid, signal.SIGKILL)
    record.say("kill", owner=owner)


@contextmanager
def _failing(directory: Path, redis: Redis, given: Namespace, number: int) -> Iterator[None]:
    """Have one key fail within the block, with all its events waiting in the store."""
    flag = directory / "failing"
    flag.touch()
    begin = number * given.behind
    fill(redis, _ONE, [f"bad_{n}" for n in range(begin, begin + given.behind)])
    lanes = KEYS.lane("unipile", GROUP, "one")
    _until(lambda: redis.zcard(lanes) >= given.behind, "all wait in the store")
    yield
    flag.unlink()
    _wait(directory, "one", begin + given.behind, "bad_")


def _other_keys(directory: Path, redis: Redis, given: Namespace, name: str) -> float:
    """Have the other keys' events handled, and give how many a second."""
    ids = [f"{name}-{n % 20}_{n // 20}" for n in range(given.others)]
    started = time.monotonic()
    fill(redis, _ONE, ids)
    _wait(directory, "one", len(ids), f"{name}-")
    return len(ids) / (time.monotonic() - started)


def _wait(directory: Path, event_type: str, count: int, prefix: str = "") -> None:
    """Wait until so many different events of a type are handled."""

    def handled() -> bool:
        found = {act[1] for act in acts(directory) if act[0] == event_type}
        return sum(1 for one in found if one.startswith(prefix)) >= count

    _until(handled, f"{count:,} of {event_type} handled")


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ProgramFailed(f"not within {_END_SECONDS:.0f} s: {what}")
        time.sleep(_LOOK_SECONDS)


def _first_acts(directory: Path, event_type: str) -> dict[str, list[int]]:
    """Give the numbers of each key's events in the order of their first acts."""
    found: dict[str, list[int]] = defaultdict(list)
    for event_id in dict.fromkeys(act[1] for act in acts(directory) if act[0] == event_type):
        key, _, number = event_id.partition("_")
        found[key].append(int(number))
    return found


def main() -> int:
    """Read the options and run."""
    parser = options("Order per key while events fail and processes are killed.")
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=2, help="of the process that reads")
    parser.add_argument("--behind", type=int, default=10_000, help="events behind the failing one")
    parser.add_argument("--others", type=int, default=10_000, help="events of the other keys")
    parser.add_argument("--rounds", type=int, default=3)
    return judge("order", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
