"""Which scenarios there are, and which parts of each are judged.

A name comes in, designs and parts go out. Pure.

In every one ids come evenly: windows are short so that several pass, and long enough that the
sender keeps up. Where it does not, the scenarios are run again in longer ones.
"""

from dataclasses import dataclass

from bench.holds.index.findings import MANY_IDS, between
from bench.holds.index.pattern import Pattern
from bench.holds.index.scenario import Design, Sample

SMALL = (10, 100, 1_000, 5_000, MANY_IDS)
LARGE = (100_000,)
MILLION = (1_000_000,)
BURST_TIMES = 100
GROUPS = ("small", "large", "million", "burst")
# A scenario of one size can be run by itself.
SINGLE = tuple(str(ids) for ids in SMALL)

# A little more than named, so that jitter does not leave fewer.
_MARGIN = 1.05
# Three slices pass until one is sized by two whole ones and nothing is left of the start.
_COLD_WINDOWS = 1.5
# Four slices: at least three of them end in it, wherever in a slice it began.
_STEADY_WINDOWS = 2.0
_SHORT_SECONDS, _LONG_SECONDS = 40, 100
_SAMPLES_PER_WINDOW = 40
# A burst ends this much before its slice does.
_WITHIN_SLICE = 0.98
# The last buckets of a slice are removed this much of a window after its death, at most.
_GONE_WINDOWS = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """Some seconds of a run.

    Args:
        name: ``cold``, ``steady``, ``before``, ``burst``, ``leaving`` or ``after``.
        samples: Those in it.
    """

    name: str
    samples: list[Sample]


def designs(group: str, shorter: float = 1.0) -> list[Design]:
    """Give the scenarios of a group; they run at the same time.

    Args:
        group: One of `GROUPS`, or of `SINGLE`.
        shorter: Divides the windows, for a quick look; below 1 it lengthens them.
    """
    if group == "burst":
        return [_burst(max(2.0, 2 * round(_LONG_SECONDS / shorter / 2)))]
    sizes, seconds = {
        **{name: ((int(name),), _SHORT_SECONDS) for name in SINGLE},
        "small": (SMALL, _SHORT_SECONDS),
        "large": (LARGE, _SHORT_SECONDS),
        "million": (MILLION, _LONG_SECONDS),
    }[group]
    # Even, so that a slice is a whole number of seconds.
    window = max(2.0, 2 * round(seconds / shorter / 2))
    return [_even(ids, window) for ids in sizes]


def parts(design: Design, samples: list[Sample]) -> list[Part]:
    """Cut a run into its parts."""
    window, burst_at = design.window_seconds, design.pattern.burst_at
    if burst_at is None:
        turns = {"cold": 0.0, "steady": _COLD_WINDOWS * window}
    else:
        turns = {
            "cold": 0.0,
            "before": _COLD_WINDOWS * window,
            "burst": burst_at,
            "leaving": burst_at + window,
            "after": burst_at + (1.5 + _GONE_WINDOWS) * window,
        }
    ends = [*list(turns.values())[1:], design.seconds + window]
    return [
        Part(name, between(samples, begin, end))
        for (name, begin), end in zip(turns.items(), ends, strict=True)
    ]


def _even(ids: int, window: float) -> Design:
    return Design(
        name=f"{ids}",
        window_seconds=window,
        seconds=(_COLD_WINDOWS + _STEADY_WINDOWS) * window,
        pattern=Pattern(_MARGIN * ids / window),
        sample_seconds=min(1.0, window / _SAMPLES_PER_WINDOW),
    )


def _burst(window: float) -> Design:
    pattern = Pattern(
        rate=_MARGIN * MANY_IDS / window,
        burst_at=(_COLD_WINDOWS + 0.5) * window,
        burst_seconds=_WITHIN_SLICE * window / 2,
        burst_times=BURST_TIMES,
    )
    return Design(
        name="burst",
        window_seconds=window,
        # Until the burst is forgotten, and another window.
        seconds=(_COLD_WINDOWS + 1 + 1.5 + _GONE_WINDOWS + 1) * window,
        pattern=pattern,
        sample_seconds=min(1.0, window / _SAMPLES_PER_WINDOW),
    )
