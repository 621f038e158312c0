"""What the samples of a scenario come to: bytes per id and CPU per event, part by part.

Samples come in, figures go out. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.holds.index.scenario import Sample

# With fewer events per second, what a store does by itself would be most of its account.
LEAST_PER_SECOND = 1000
# From here on each id must be cheap; below, the whole index no dearer than plain keys.
MANY_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Worst:
    """The dearest moment of a part.

    Args:
        samples: How many looks it had.
        relay: Most bytes per id remembered, the relay's index.
        plain: Most bytes per id remembered, plain keys.
        ratio: Most bytes of the relay's index per byte of plain keys at the same moment.
        rollovers: How many slices ended in it.
    """

    samples: int
    relay: float
    plain: float
    ratio: float
    rollovers: int


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of the stores over a part.

    Args:
        events: How many were appended in it.
        relay_us: Per event, the relay's script.
        plain_us: Per event, plain keys.
    """

    events: int
    relay_us: float
    plain_us: float

    @property
    def ratio(self) -> float:
        """How many times as much the relay's script takes."""
        return round(self.relay_us / self.plain_us, 3) if self.plain_us else 0.0


def worst(samples: Sequence[Sample], least_ids: int = 1) -> Worst | None:
    """Find the dearest moment.

    Args:
        samples: Of one part of a run, in order.
        least_ids: Moments with fewer ids remembered do not count.

    Returns:
        Nothing where none counts.
    """
    some = [one for one in samples if one.remembered >= least_ids]
    if not some:
        return None
    return Worst(
        samples=len(some),
        relay=round(max(one.relay_bytes / one.remembered for one in some), 1),
        plain=round(max(one.plain_bytes / one.remembered for one in some), 1),
        ratio=round(max(one.relay_bytes / max(one.plain_bytes, 1) for one in some), 3),
        rollovers=some[-1].slice_number - some[0].slice_number,
    )


def cost(samples: Sequence[Sample]) -> Cost | None:
    """Give the CPU per event between the first and the last sample of a part.

    Returns:
        Nothing where too few events came to tell.
    """
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    events = last.sent - first.sent
    if not events or events < LEAST_PER_SECOND * (last.seconds - first.seconds):
        return None
    return Cost(
        events=events,
        relay_us=round((last.relay_ns - first.relay_ns) / events / 1000, 2),
        plain_us=round((last.plain_ns - first.plain_ns) / events / 1000, 2),
    )


def between(samples: Sequence[Sample], after: float, before: float) -> list[Sample]:
    """Give the samples of some seconds of the run."""
    return [one for one in samples if after <= one.seconds < before]
