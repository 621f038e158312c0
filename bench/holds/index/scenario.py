"""One pattern of events to both sides, and how they fare.

Time passes, batches and samples go out. It never sleeps: whoever drives it says when to look.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.holds.index.gauge import Gauge
from bench.holds.index.pattern import Pattern
from bench.holds.index.sides import Plain, Relay, Side
from bench.store import Durability, durable, store

Aof = Literal["off"] | Durability

SLICES_PER_WINDOW = 2
# By this much of a window events may come too late. One that is later finds fewer ids remembered
# than the scenario is about, for longer than the parts that are judged have to spare.
LATE_WINDOWS = 0.25
_WARM_WINDOW_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Design:
    """What one scenario does.

    Args:
        name: Of the scenario.
        window_seconds: How long ids are remembered.
        seconds: How long events come.
        pattern: When they come.
        sample_seconds: How often both sides are looked at.
    """

    name: str
    window_seconds: float
    seconds: float
    pattern: Pattern
    sample_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at both sides.

    Args:
        seconds: Of the run.
        slice_number: In which slice of half a window it lies.
        sent: Events until now.
        remembered: Events within the last window.
        relay_bytes: The relay's index.
        plain_bytes: The plain keys.
        relay_ns: CPU of the relay's store until now.
        plain_ns: CPU of the other.
    """

    seconds: float
    slice_number: int
    sent: int
    remembered: int
    relay_bytes: int
    plain_bytes: int
    relay_ns: int
    plain_ns: int


class Scenario:
    """A design under way.

    Args:
        design: What it does.
        sides: The relay and the plain keys.
        gauges: Of each.
    """

    def __init__(self, design: Design, sides: list[Side], gauges: list[Gauge]) -> None:
        self.design = design
        self.samples: list[Sample] = []
        self._sides = sides
        self._gauges = gauges
        self._sent = 0
        self._next_number = 1  # 0 was the first, which is forgotten
        self.started = 0.0
        self._next_sample = 0.0
        self._recent: deque[tuple[float, int]] = deque()
        self._remembered = 0

    def settle(self) -> None:
        """Return when both stores have forgotten the first event."""
        for gauge in self._gauges:
            gauge.settle()

    def start(self) -> None:
        """Begin now; a burst waits for the next slice to begin."""
        self.started = time.time()
        pattern = self.design.pattern
        if pattern.burst_at is not None:
            slice_seconds = self.design.window_seconds / SLICES_PER_WINDOW
            into_slice = (self.started + pattern.burst_at) % slice_seconds
            burst_at = pattern.burst_at + slice_seconds - into_slice
            self.design = replace(self.design, pattern=replace(pattern, burst_at=burst_at))

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.time() - self.started

    @property
    def is_over(self) -> bool:
        """Whether all events have come."""
        return self.seconds >= self.design.seconds

    @property
    def is_late(self) -> bool:
        """Whether the sender does not keep up: what was measured would be something else."""
        on_time = self.seconds - LATE_WINDOWS * self.design.window_seconds
        return self._sent < self.design.pattern.due(on_time)

    def step(self) -> Sample | None:
        """Send what is due, at most one batch, and look if it is time to."""
        seconds = self.seconds
        count = self.design.pattern.batch(seconds, self._sent)
        if count:
            self._send(count)
        if seconds < self._next_sample:
            return None
        self._next_sample += self.design.sample_seconds
        return self._look()

    def is_idle(self) -> bool:
        """Tell whether nothing is due now."""
        return not self.design.pattern.batch(self.seconds, self._sent)

    def _send(self, count: int) -> None:
        numbers = range(self._next_number, self._next_number + count)
        # Each goes first every other time: the second finds warmer caches of the sender.
        order = self._sides if self._sent // count % 2 else reversed(self._sides)
        for side in order:
            side.append(numbers)
        self._next_number += count
        self._sent += count
        self._recent.append((self.seconds, count))
        self._remembered += count

    def _look(self) -> Sample:
        now = self.seconds
        while self._recent and self._recent[0][0] <= now - self.design.window_seconds:
            self._remembered -= self._recent.popleft()[1]
        relay, plain = (gauge.read() for gauge in self._gauges)
        sample = Sample(
            seconds=round(now, 2),
            slice_number=int(time.time() * SLICES_PER_WINDOW / self.design.window_seconds),
            sent=self._sent,
            remembered=self._remembered,
            relay_bytes=relay.index_bytes,
            plain_bytes=plain.index_bytes,
            relay_ns=relay.cpu_ns,
            plain_ns=plain.cpu_ns,
        )
        self.samples.append(sample)
        return sample


def _options(aof: Aof) -> dict[str, str]:
    quiet = {"slowlog-max-len": "0", "latency-tracking": "no"}
    return quiet if aof == "off" else {**durable(aof), **quiet}


@contextmanager
def prepared(design: Design, directory: Path, aof: Aof) -> Iterator[Scenario]:
    """Have a scenario with two stores of its own, ready to settle and then to begin.

    Args:
        design: What it will do.
        directory: Where the stores are.
        aof: ``off``, or when the append-only file is confirmed.
    """
    options = _options(aof)
    with ExitStack() as stack:
        sides: list[Side] = []
        gauges: list[Gauge] = []
        for kind in (Relay, Plain):
            name = f"{design.name}-{kind.name}"
            redis = stack.enter_context(store(directory, options, name=name))
            kind(redis.client, _WARM_WINDOW_SECONDS).append([0])
            side = kind(redis.client, design.window_seconds)
            sides.append(side)
            gauges.append(Gauge(side, redis.program.pid))
        yield Scenario(design, sides, gauges)
