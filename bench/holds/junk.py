"""Junk beside what is genuine: a third of what passes of each in, latency and the refusal log out.

Genuine deliveries are sent at a fixed rate, alone and beside as many that must be refused, in
turn. Nothing genuine may be refused, its latency may at most double, and the refusal log must
stay within its bounds, however much is refused.
"""

import os
import socket
import sys
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.figures import MIB, marks, mib, told
from bench.holds.jobs import job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.sender.jobs import send_junk, send_plan, send_seconds
from bench.holds.sender.opened import Pool, Stretch
from bench.holds.sender.tally import Tally, per_second
from bench.statistic import percentile
from bench.store import Store, durable, store
from relay.contract.keys import Keys
from relay.rejections import log

LOG = Keys().rejected("unipile")
MOST_TIMES = 2.0
MOST_WRITES = 20.0
_WRITES = frozenset({"xadd", "xdel", "xtrim", "hset", "pexpire"})
_POOL = Pool(kept=64, most=2000)
_PROBE_CONNECTIONS = 64
_WARM_SECONDS = 2.0
_END_SECONDS = 60.0
# Numbers of junk are of nobody else.
_JUNK_NUMBERS = 10**9


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Find what passes, send a third of it with and without junk, and judge."""
    # Who sends must not take from the gateway what is measured: it has a core of its own.
    own, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or {own})
    with (
        store(directory, durable("everysec")) as redis,
        gateway(directory, redis.port, on_cores=[own]) as relay,
    ):
        rate, number = _third(record, given, relay)
        accepted = bytearray()
        found: dict[bool, list[Tally]] = {False: [], True: []}
        for turn in range(given.rounds):
            for beside in (False, True) if turn % 2 == 0 else (True, False):
                tally, refused = _send(relay, number, rate, given.seconds, beside=beside)
                number += tally.due
                found[beside].append(tally)
                _say(record, turn, tally, refused, beside=beside)
                _judge_junk(record, refused)
                accepted[: len(tally.accepted)] = bytes(
                    one | other
                    for one, other in zip(
                        accepted.ljust(len(tally.accepted), b"\0"), tally.accepted, strict=False
                    )
                )
        _judge_good(record, found, Census(redis.client), bytes(accepted), given)
        _judge_log(record, redis, relay, Stretch(rate, given.looked), number)


def _third(record: Record, given: Namespace, relay: Gateway) -> tuple[float, int]:
    """Give a third of what passes per second, and the next number."""
    seconds = _WARM_SECONDS + given.probe
    with job(send_seconds, relay.port, 0, seconds, _PROBE_CONNECTIONS) as sender:
        tally = sender.result(seconds + _END_SECONDS)
    passes = per_second(tally, "200", _WARM_SECONDS, seconds)
    record.say("capacity", per_second=round(passes, 1))
    return passes / 3, tally.due


def _send(
    relay: Gateway, first: int, rate: float, seconds: float, *, beside: bool
) -> tuple[Tally, Tally | None]:
    """Send genuine deliveries, and junk beside them if it is wanted."""
    plan = [Stretch(rate, seconds)]
    with (
        job(send_plan, relay.port, first, plan, _POOL) as good,
        job(send_junk, relay.port, _JUNK_NUMBERS, plan if beside else [], _POOL) as junk,
    ):
        tally = good.result(seconds + _END_SECONDS)
        return tally, junk.result(_END_SECONDS) if beside else None


def _say(record: Record, turn: int, tally: Tally, refused: Tally | None, *, beside: bool) -> None:
    record.say(
        "round",
        number=turn,
        junk=beside,
        outcomes=tally.counts(),
        latency_ms=marks(tally.latencies_ms),
        late_ms=marks(tally.lates_ms),
        refused=None if refused is None else refused.counts(),
    )


def _judge_junk(record: Record, refused: Tally | None) -> None:
    if refused is not None:
        record.judge(
            "all junk is refused",
            f"{told(refused.counts())} of {refused.due:,}",
            bound="401, each of them",
            holds=0 < refused.due == refused.outcomes["401"],
        )


def _judge_good(
    record: Record,
    found: dict[bool, list[Tally]],
    census: Census,
    accepted: bytes,
    given: Namespace,
) -> None:
    every = [tally for tallies in found.values() for tally in tallies]
    due, stored = sum(tally.due for tally in every), sum(tally.stored for tally in every)
    record.judge(
        "no genuine delivery is refused",
        f"{stored:,} of {due:,} answered 200",
        bound="all",
        holds=0 < due == stored,
    )
    census.read_on()
    truth = census.truth(accepted)
    record.judge(
        "every 200 is in the stream exactly once",
        f"{truth.lost} lost, {truth.doubled} doubled",
        bound="none",
        holds=truth.holds,
    )
    alone, beside = (
        median(percentile(tally.latencies_ms, 99) for tally in found[junk])
        for junk in (False, True)
    )
    record.judge(
        "junk at most doubles the 99th percentile of the genuine",
        f"{beside:.2f} ms beside {alone:.2f} ms, {beside / alone:.2f} times",
        bound=f"{MOST_TIMES} times, medians of {given.rounds} rounds",
        holds=beside <= MOST_TIMES * alone,
    )


def _judge_log(record: Record, redis: Store, relay: Gateway, stretch: Stretch, first: int) -> None:
    """Look at what the store is asked for the log, in a run of its own: looking costs the store."""
    with _monitored(redis.port, stretch.seconds) as writes:
        _send(relay, first, stretch.rate, stretch.seconds, beside=True)
    each = {name: round(count / stretch.seconds, 1) for name, count in writes.items()}
    record.judge(
        "the store is seldom asked for the refusal log",
        f"{sum(each.values()):.1f} writes a second: {told(each)}",
        bound=f"{MOST_WRITES:.0f} a second",
        holds=0 < sum(each.values()) <= MOST_WRITES,
    )
    taken: Any = redis.client.memory_usage(LOG, samples=0)
    record.judge(
        "the refusal log stays within its bytes",
        f"{mib(taken or 0)} MiB",
        bound=f"{log.LOG_BYTES // MIB} MiB",
        holds=0 < (taken or 0) <= log.LOG_BYTES,
    )


@contextmanager
def _monitored(port: int, seconds: float) -> Iterator[Counter[str]]:
    """Count the writes to the log's keys by command, from the first on, for some seconds."""
    writes: Counter[str] = Counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"MONITOR\r\n")

        def listen() -> None:
            over = 0.0
            for line in connection.makefile("r", encoding="utf-8", errors="replace"):
                words = line.lower().split('"')
                if len(words) < 4 or words[1] not in _WRITES or not words[3].startswith(LOG):
                    continue
                over = over or time.monotonic() + seconds
                writes[words[1]] += time.monotonic() < over

        thread = threading.Thread(target=listen, name="monitor", daemon=True)
        thread.start()
        try:
            yield writes
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join(_END_SECONDS)


def main() -> int:
    """Read the options and run."""
    parser = options("What genuine deliveries and the store notice of junk.")
    parser.add_argument("--seconds", type=float, default=30, help="of each round")
    parser.add_argument("--rounds", type=int, default=3, help="with and without junk")
    parser.add_argument("--looked", type=float, default=5, help="seconds of looking at the store")
    parser.add_argument("--probe", type=float, default=8, help="seconds to find what passes")
    return judge("junk", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
