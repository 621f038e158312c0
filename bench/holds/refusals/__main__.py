"""What refusing costs: hostile and valid deliveries in turn, CPU time in, ratios out.

For every preset and size, each hostile delivery is judged beside a valid one of the same size,
which is verified and identified. What is compared was measured within milliseconds of each other.
"""

import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from bench.failures import ProgramFailed
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.refusals.deliveries import Request, hostile, valid
from relay.contract.errors import SignatureRefused
from relay.identify import identify_each
from relay.providers import PROVIDERS
from relay.verify import examine_head, verify

_ALLOWED = 2.0
_SIZES = (1024, 8 * 1024, 100 * 1024, 1024 * 1024)
# As long as the clock needs to tell two of the shortest apart.
_SAMPLE_NS = 200_000


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Try every preset at every size, and judge the dearest refusal of each size."""
    del directory
    for size in given.sizes:
        ratios = {
            (name, what): ratio
            for name in given.only or PROVIDERS
            for what, ratio in _ratios(record, name, size, given.rounds)
        }
        (name, what), worst = max(ratios.items(), key=lambda item: item[1])
        over = sum(ratio > _ALLOWED for ratio in ratios.values())
        record.judge(
            f"refusing {len(ratios)} deliveries of {size // 1024} KiB",
            f"{worst:.2f} times a valid one at most ({name}, {what}), {over} above",
            bound=f"{_ALLOWED} times",
            holds=worst <= _ALLOWED,
        )


def _ratios(record: Record, name: str, size: int, rounds: int) -> list[tuple[str, float]]:
    good = valid(name, size)
    events = taken(good)
    found = []
    for what, bad in hostile(good):
        if refused(bad) is None:
            # It changed nothing that this sender signs.
            continue
        ratio, usual_us = _compared(good, bad, rounds)
        record.line(
            "refusal",
            preset=name,
            size=len(good.body),
            events=events,
            hostile=what,
            valid_us=round(usual_us, 1),
            ratio=round(ratio, 3),
        )
        found.append((what, ratio))
    return found


def _compared(good: Request, bad: Request, rounds: int) -> tuple[float, float]:
    """Give how many times as much a refusal costs as a valid delivery, and what that costs."""
    counts = _count_of(good, taken), _count_of(bad, refused)
    usual, hostile_ns = [], []
    for _ in range(rounds):
        usual.append(_cost(good, taken, counts[0]))
        hostile_ns.append(_cost(bad, refused, counts[1]))
    middle = statistics.median(usual)
    return statistics.median(hostile_ns) / middle, middle / 1000


def _count_of(request: Request, judged: Callable[[Request], object]) -> int:
    """Give how often it is done for one sample."""
    once = max(_cost(request, judged, 1), 1)
    return max(1, min(200, int(_SAMPLE_NS / once)))


def _cost(request: Request, judged: Callable[[Request], object], count: int) -> float:
    """Give the CPU time of one, in ns."""
    begin = time.thread_time_ns()
    for _ in range(count):
        judged(request)
    return (time.thread_time_ns() - begin) / count


def taken(request: Request) -> int:
    """Verify and identify a delivery; give how many events it holds."""
    claim = examine_head(request.of.endpoint, request.headers)
    return sum(1 for _ in identify_each(verify(request.received(claim))))


def refused(request: Request) -> str | None:
    """Judge a delivery that has to be refused; give the reason."""
    try:
        claim = examine_head(request.of.endpoint, request.headers)
        verify(request.received(claim))
    except SignatureRefused as refusal:
        return refusal.reason
    return None


def _size(text: str) -> int:
    size = int(text)
    if size < 1:
        raise ProgramFailed("a size is in bytes, and at least 1")
    return size


def main() -> int:
    """Read the options and run."""
    parser = options("The CPU time of refusing what is hostile.")
    parser.add_argument("--sizes", type=_size, nargs="+", default=_SIZES, help="in bytes")
    parser.add_argument("--only", nargs="+", choices=[*PROVIDERS], help="presets")
    parser.add_argument("--rounds", type=int, default=9)
    return judge("refusals", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
