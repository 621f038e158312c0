"""``make bench-consume ARGS=--sweep``: looks for the settings with which each worker is fastest.

One documented setting after the other is tried and kept where it helps, for each handler, with one
event in flight and with a hundred. Only such as settle an event after its handler, one event for
each call. What is found goes into ``best.json``, which the benchmark reads.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.consume.turn import Ground, take
from bench.consume.workers import HUNDRED, MANY, ONE, Contender
from bench.failures import ProgramFailed
from bench.lines import Line
from bench.quiet import undisturbed
from bench.statistic import spread

Settings = dict[str, Any]

# Of so many takes the best counts: what disturbs one makes it slower, never faster.
TAKES = 2
# A take so far below the best so far needs no second.
_HOPELESS = 0.8
# By how much a setting must help, lest noise choose.
_GAIN = 1.03
_LOOK_EVENTS = 1000
_MOST_EVENTS = 100_000


@dataclass(frozen=True, slots=True)
class Grid:
    """What there is to try.

    Args:
        in_flight: Number in flight -> the settings that say so.
        tried: Setting -> values beside its default, in the order in which they are tried.
    """

    in_flight: Callable[[int], Settings]
    tried: Mapping[str, Sequence[Any]]


GRIDS: Mapping[str, Grid] = {
    "relay": Grid(lambda number: {"concurrency": number}, {"read_ahead": (300, 1000, 3000)}),
    "FastStream": Grid(
        # Without the setting there is one.
        lambda number: {"max_workers": number} if number > 1 else {},
        {
            "logger": (None,),
            "apply_types": (False,),
            "max_records": (10, 100, 1000),
            "polling_interval": (10, 1000),
        },
    ),
    "taskiq-redis streams": Grid(
        lambda number: {"max_async_tasks": number},
        {
            "log_level": ("WARNING",),
            "no_parse": (True,),
            "max_prefetch": (10, 100, 1000),
            "xread_count": (10, 1000),
            "ack_type": ("when_executed",),
        },
    ),
    "taskiq-redis lists": Grid(
        lambda number: {"max_async_tasks": number},
        {
            "log_level": ("WARNING",),
            "no_parse": (True,),
            "max_prefetch": (10, 100, 1000),
        },
    ),
    "arq": Grid(
        lambda number: {"max_jobs": number},
        {
            "poll_delay": (0.1, 0.01, 0.001),
            "queue_read_limit": (1000, 5000),
            "keep_result": (0,),
            "logs": (False,),
            "uvloop": (True,),
            "serializer": ("msgpack",),
        },
    ),
    "streaq": Grid(
        lambda number: {"concurrency": number},
        {
            "prefetch": (10, 100, 1000),
            "ttl": (0,),
            "silent": (True,),
            "uvloop": (True,),
            "serializer": ("msgpack",),
        },
    ),
}


def climb(
    rate_of: Callable[[Settings], float], start: Settings, tried: Mapping[str, Sequence[Any]]
) -> tuple[Settings, float]:
    """Try one setting after the other, each with the best of those before it.

    Args:
        rate_of: Measures settings.
        start: Those that stay.
        tried: Setting -> values.

    Returns:
        The best settings found, and their rate. One that does not help is not among them.
    """
    found, top = dict(start), rate_of(start)
    for name, values in tried.items():
        base = found
        for value in values:
            rate = rate_of(base | {name: value})
            if rate > top * _GAIN:
                found, top = base | {name: value}, rate
    return found, top


@dataclass(frozen=True, slots=True)
class Way:
    """How settings are measured.

    Args:
        ground: Where turns are taken.
        seconds: About how long each is measured.
        patience_seconds: How long to wait for others on the machine before each.
        keep: Takes the line of every try.
    """

    ground: Ground
    seconds: float
    patience_seconds: float
    keep: Callable[[Line], None]


def sweep(wanted: Sequence[Contender], way: Way) -> Iterator[Line]:
    """Find the best settings of every worker and handler that is wanted.

    Args:
        wanted: Says which workers and handlers.
        way: How they are measured.

    Yields:
        What was found, a line for each.
    """
    pairs = dict.fromkeys((one.worker, one.handler) for one in wanted if one.worker in MANY)
    for worker, handler in pairs:
        grid = GRIDS[worker.name]
        for number, variant in ((1, ONE), (100, HUNDRED)):
            tries = _Tries(Contender(worker, variant, handler, {}), way)
            settings, rate = climb(tries.rate_of, grid.in_flight(number), grid.tried)
            yield {
                "kind": "round",
                "worker": worker.name,
                "handler": handler,
                "variant": variant,
                "settings": settings,
                "events_per_second": rate,
                "others_cpu_percent": spread(tries.others).median,
            }


class _Tries:
    """Measures settings of one worker, all with a backlog of the same length."""

    def __init__(self, one: Contender, way: Way) -> None:
        self._one, self._way = one, way
        self._events, self._top = 0, 0.0
        # What strangers took in each try, % of a core.
        self.others: list[float] = []

    def rate_of(self, settings: Settings) -> float:
        """Measure; a rate at which something is lost, or that takes too long, is none."""
        try:
            return self._rate_of(settings)
        except ProgramFailed:
            # Some defaults poll twice a second, and with one event in flight that is the rate.
            self._events = self._events or _LOOK_EVENTS
            self._way.keep({"kind": "try", "settings": settings, "faults": ["not in time"]})
            return 0.0

    def _rate_of(self, settings: Settings) -> float:
        way = self._way
        if not self._events:
            rate = self._take(settings, _LOOK_EVENTS)["events_per_second"]
            self._events = max(_LOOK_EVENTS, min(_MOST_EVENTS, int(rate * way.seconds)))
        rate, take_one = 0.0, partial(self._take, settings, self._events)
        for _ in range(TAKES):
            line = undisturbed(take_one, way.keep, way.patience_seconds)
            way.keep(line | {"kind": "try"})
            self.others.append(line["others_cpu_percent"])
            if line["faults"]:
                return 0.0
            rate = max(rate, float(line["events_per_second"]))
            if rate < _HOPELESS * self._top:
                break
        self._top = max(self._top, rate)
        return rate

    def _take(self, settings: Settings, events: int) -> Line:
        one = self._one
        tried = Contender(one.worker, one.variant, one.handler, settings)
        return take(tried, events, self._way.ground)
