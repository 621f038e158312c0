"""Part of ``make bench-latency``: how long from the intended send time to the handler's start.

First the capacity of the relay's gateway and worker together is measured. Then both pairs are sent
100 events a second, and a third of that capacity, in turn. Exit code 1 where an event does not
reach its handler exactly once, the sender does not keep its rate, or a whole run misses a bar.
"""

import sys
from functools import partial
from itertools import product

from bench import lines, plot
from bench.arrival import pairs
from bench.arrival.measure import Load, capacity, loads, reach
from bench.arrival.pairs import Pair
from bench.arrival.tables import BARS, PANELS, at_fixed_rate, tables
from bench.conclude import conclude
from bench.contenders.launch import Place
from bench.edge import exit_code_of
from bench.machine import OURS, cores
from bench.options import parse
from bench.quiet import undisturbed
from bench.stage import Kit, Stage, stage
from bench.statistic import spread

_LOOKS = 3


def work() -> int:
    """Measure and report."""
    options = parse(__doc__ or "", rounds=7, seconds=5)
    kit = Kit(tools=("redis-server", "wrk"), packages=OURS)
    with stage("arrival", options, {}, kit=kit) as staged:
        place = Place(staged.directory, cores())
        with pairs.relay(place) as relay, pairs.bare(place) as bare:
            rates = loads(_capacity(relay, staged))
            for number in range(1, options.rounds + 1):
                for load, pair in product(rates, (relay, bare)):
                    line = lines.Line(kind="round", round=number) | _round(pair, load, staged)
                    staged.keep(line)
                    said = f"round {number}, {line['contender']}"
                    staged.faults += (f"{said}: {fault}" for fault in line["faults"])
    header, rounds = lines.read_rounds(staged.path)
    fixed = at_fixed_rate(rounds)
    drawing = plot.draw("From POST to the handler's start", header, fixed, PANELS)
    return conclude(staged, drawing, tables(header, rounds), fixed, BARS)


def _capacity(pair: Pair, staged: Stage) -> float:
    """Measure how many events gateway and worker take in a second, by the median of some looks."""
    found = []
    for _ in range(min(_LOOKS, staged.options.rounds)):
        take = partial(capacity, pair, staged.method)
        line = undisturbed(take, staged.keep, staged.options.patience_seconds)
        staged.keep(line)
        staged.faults += line["faults"]
        found.append(float(line["events_per_second"]))
    return spread(found).median


def _round(pair: Pair, load: Load, staged: Stage) -> lines.Line:
    take = partial(reach, pair, load, staged.method)
    return undisturbed(take, staged.keep, staged.options.patience_seconds)


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
