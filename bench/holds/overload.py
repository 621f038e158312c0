"""Three times too much: a gateway before a slowed store in, its answers and its memory out.

First what passes is measured, then three times that is sent at fixed times, whatever comes back;
then the store is fast again, and at last the load falls while it is slow once more.
"""

import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.gateway import Gateway, gateway
from bench.holds.census import Census, Truth
from bench.holds.delay import delay_replies
from bench.holds.figures import MIB, marks, mib, told
from bench.holds.jobs import Job, job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.sender.jobs import send_plan, send_seconds
from bench.holds.sender.opened import Pool, Stretch
from bench.holds.sender.tally import FULL_SHARE, Tally, per_second, recovered_after
from bench.residence import peak_bytes, resident_bytes
from bench.statistic import percentile
from bench.store import durable, store

TIMES_TOO_MUCH = 3
RECOVERY_SECONDS = 2.0
# A machine that was busy with something else for a moment says too little of what passes.
_CAPACITY_TRIES = 5
# More than one flush can carry, so that the store's delay is what limits it.
_PROBE_CONNECTIONS = 256
# Above this part of what passes without delay, the sender would be the limit after recovery.
_ROOM = 0.6
_END_SECONDS = 120.0
_SAMPLE_SECONDS = 0.25
_POOL = Pool(kept=64, most=12_000)
_LATE_MS = 100.0
_GAUGES = (
    "relay_waiting_events",
    "relay_waiting_bytes",
    "relay_body_bytes_in_hand",
    "relay_connections",
)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What passes with and without the delay.

    Args:
        full_per_second: Without it.
        slow_per_second: With it.
        delay_seconds: Of each reply.
        next_number: First event that was not sent yet.
    """

    full_per_second: float
    slow_per_second: float
    delay_seconds: float
    next_number: int


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Find what passes, send too much, and judge answers, memory, recovery and the truth."""
    with (
        store(directory, durable("everysec")) as redis,
        job(delay_replies, redis.port) as proxy,
        gateway(directory, int(str(proxy.heard()))) as relay,
    ):
        accepted = bytearray()
        capacity = _sensible_capacity(record, given, relay, proxy, accepted)
        before = resident_bytes(relay.pid)
        tally, turns, gauges = _overload(record, given, relay, proxy, capacity)
        peak = peak_bytes(relay.pid)
        _merge(accepted, tally.accepted)
        census = Census(redis.client)
        census.read_on()
        truth = census.truth(bytes(accepted))
        _write(record, tally, before_bytes=before, peak_bytes=peak, gauges=gauges)
        _judge_answers(record, tally, truth)
        _judge_memory(record, given, (before, peak), gauges)
        _judge_recovery(record, tally, turns, capacity)


def _sensible_capacity(
    record: Record, given: Namespace, relay: Gateway, proxy: Job[None], accepted: bytearray
) -> Capacity:
    """Measure what passes, again where no more did without the delay than with it."""
    number = 0
    for _ in range(_CAPACITY_TRIES):
        found = _capacity(given, relay, proxy, accepted, number)
        record.say("capacity", **asdict(found))
        if 0 < found.slow_per_second < found.full_per_second:
            break
        number = found.next_number
    return found


def _capacity(
    given: Namespace, relay: Gateway, proxy: Job[None], accepted: bytearray, number: int
) -> Capacity:
    """Measure what passes; the delay grows until the overload is well below full speed."""
    proxy.tell(0.0)
    full, number = _probe(relay, number, given, accepted)
    delay_seconds = given.delay_ms / 1000
    while True:
        proxy.tell(delay_seconds)
        slow, number = _probe(relay, number, given, accepted)
        if TIMES_TOO_MUCH * slow <= _ROOM * full or delay_seconds > 1:
            break
        delay_seconds *= 2
    return Capacity(round(full, 1), round(slow, 1), delay_seconds, number)


def _probe(relay: Gateway, first: int, given: Namespace, accepted: bytearray) -> tuple[float, int]:
    """Give what passes per second in a closed loop, and the next number."""
    seconds = given.warm + given.probe
    with job(send_seconds, relay.port, first, seconds, _PROBE_CONNECTIONS) as sender:
        tally = sender.result(seconds + _END_SECONDS)
    _merge(accepted, tally.accepted)
    return per_second(tally, "200", given.warm, seconds), first + tally.due


@dataclass(frozen=True, slots=True)
class Turns:
    """When things changed, in seconds of the run.

    Args:
        fast: The store was fast again.
        slow: It was slow once more.
        fell: The load fell to half of what passes.
        end: Nothing was due any more.
    """

    fast: float
    slow: float
    fell: float
    end: float


def _overload(
    record: Record, given: Namespace, relay: Gateway, proxy: Job[None], capacity: Capacity
) -> tuple[Tally, Turns, dict[str, float]]:
    """Send to the plan, change the delay on the way, and give the highest gauges."""
    planned = Turns(
        fast=given.seconds,
        slow=given.seconds + given.after,
        fell=given.seconds + given.after + given.again,
        end=given.seconds + given.after + given.again + given.after,
    )
    passes = capacity.slow_per_second
    plan = [
        Stretch(TIMES_TOO_MUCH * passes, planned.fell),
        Stretch(passes / 2, planned.end - planned.fell),
    ]
    highest: dict[str, float] = {}
    changes = [(planned.fast, 0.0), (planned.slow, capacity.delay_seconds)]
    with job(send_plan, relay.port, capacity.next_number, plan, _POOL) as sender:
        sender.heard()
        started = time.monotonic()
        with _changing(proxy, started, changes) as changed:
            while not sender.is_done():
                _sample(record, relay, time.monotonic() - started, highest)
                time.sleep(_SAMPLE_SECONDS)
        tally = sender.result(_END_SECONDS)
    # All processes of a machine have the same monotonic clock.
    fast, slow = (moment - tally.started for moment in changed)
    return tally, replace(planned, fast=fast, slow=slow), highest


@contextmanager
def _changing(
    proxy: Job[None], started: float, changes: Sequence[tuple[float, float]]
) -> Iterator[list[float]]:
    """Change the delay at its times, and give when it was; the block may end before.

    In a thread of its own: a gateway under too much load keeps who samples it waiting.
    """
    changed: list[float] = []

    def change() -> None:
        for at, delay_seconds in changes:
            time.sleep(max(0.0, started + at - time.monotonic()))
            proxy.tell(delay_seconds)
            changed.append(time.monotonic())

    thread = threading.Thread(target=change, name="changes")
    thread.start()
    try:
        yield changed
    finally:
        thread.join()


def _sample(record: Record, relay: Gateway, at: float, highest: dict[str, float]) -> None:
    found = relay.gauges(*_GAUGES)
    for name, value in found.items():
        highest[name] = max(value, highest.get(name, 0.0))
    record.line("sample", seconds=round(at, 2), resident_bytes=resident_bytes(relay.pid), **found)


def _merge(accepted: bytearray, more: bytearray) -> None:
    accepted.extend(bytes(max(0, len(more) - len(accepted))))
    for number, yes in enumerate(more):
        if yes:
            accepted[number] = 1


def _write(record: Record, tally: Tally, **fields: object) -> None:
    for bucket, outcomes in sorted(tally.buckets.items()):
        record.line("tenth", number=bucket, **outcomes)
    record.say(
        "end",
        due=tally.due,
        outcomes=tally.counts(),
        latency_ms=marks(tally.latencies_ms),
        late_ms=marks(tally.lates_ms),
        lag_ms=marks(tally.lags_ms),
        **fields,
    )


def _judge_answers(record: Record, tally: Tally, truth: Truth) -> None:
    record.judge(
        "every answer is 200 or 503",
        f"{told(tally.counts())} of {tally.due:,}, {tally.unpromised} without Retry-After, "
        f"{tally.unopened.total()} connections not opened",
        bound="nothing else, no reset, no timeout; each 503 with Retry-After",
        holds=tally.outcomes["200"] + tally.outcomes["503"] == tally.due
        and tally.outcomes["503"] > 0
        and not tally.unpromised
        and not tally.unopened,
    )
    record.judge(
        "every 200 is in the stream exactly once",
        f"{truth.accepted:,} answered 200, {truth.entries:,} entries, {truth.lost} lost, "
        f"{truth.doubled} doubled, {truth.unasked} stored and answered 503",
        bound="none lost, none doubled",
        holds=truth.holds,
    )
    late = percentile(tally.lates_ms, 99)
    record.judge(
        "the sender kept to its times",
        f"p99 {late:.1f} ms late",
        bound=f"{_LATE_MS:.0f} ms",
        holds=late <= _LATE_MS,
    )


def _judge_memory(
    record: Record, given: Namespace, memory: tuple[int, int], gauges: dict[str, float]
) -> None:
    before, peak = memory
    in_hand = mib(gauges.get("relay_body_bytes_in_hand", 0))
    record.judge(
        "memory is bounded by body_budget_bytes",
        f"{mib(before)} MiB before, at most {mib(peak)} MiB; of that bodies in hand {in_hand} MiB, "
        f"waiting events {gauges.get('relay_waiting_events', 0):,.0f}",
        bound=f"{given.budget} MiB more than before",
        holds=0 < peak <= before + given.budget * MIB,
    )


def _judge_recovery(record: Record, tally: Tally, turns: Turns, capacity: Capacity) -> None:
    passes = capacity.slow_per_second
    again = {
        f"{TIMES_TOO_MUCH * passes:.0f}/s are stored again once the store is fast": (
            turns.fast,
            turns.slow,
        ),
        f"{passes / 2:.0f}/s are stored again once the load falls": (turns.fell, turns.end),
    }
    for claim, (since, until) in again.items():
        seconds = recovered_after(tally, since, until)
        record.judge(
            claim,
            "not within the run" if seconds is None else f"after {seconds:.1f} s",
            bound=f"within {RECOVERY_SECONDS} s, {FULL_SHARE:.0%} of each half second from then on",
            holds=seconds is not None and seconds <= RECOVERY_SECONDS,
        )


def main() -> int:
    """Read the options and run."""
    parser = options("Answers and memory of the gateway under three times too much.")
    parser.add_argument("--seconds", type=float, default=60, help="of too much")
    parser.add_argument("--probe", type=float, default=8, help="seconds to find what passes")
    parser.add_argument("--warm", type=float, default=2, help="seconds before each probe")
    parser.add_argument("--after", type=float, default=6, help="seconds of looking for recovery")
    parser.add_argument("--again", type=float, default=10, help="seconds of too much once more")
    parser.add_argument("--delay-ms", type=float, default=50, help="of each reply of the store")
    parser.add_argument("--budget", type=int, default=256, help="the gateway's default, in MiB")
    return judge("overload", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
