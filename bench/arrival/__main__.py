"""Part of ``make bench-latency``: how long from the intended send time to the handler's start.

First the capacity of the relay's gateway and worker together is measured. Then both pairs are sent
100 events a second, and a third of that capacity, in turn. Exit code 1 where an event does not
reach its handler exactly once, the sender does not keep its rate, or a whole run misses a bar.
"""

import sys
from functools import partial

from bench import lines, plot
from bench.arrival import pairs
from bench.arrival.measure import Loads, capacity, reach
from bench.arrival.tables import BARS, PANELS, tables
from bench.conclude import conclude
from bench.contenders.launch import Place
from bench.edge import exit_code_of
from bench.machine import OURS, cores
from bench.options import parse
from bench.quiet import undisturbed
from bench.stage import Kit, stage


def work() -> int:
    """Measure and report."""
    options = parse(__doc__ or "", rounds=7, seconds=5)
    kit = Kit(tools=("redis-server", "wrk"), packages=OURS)
    with stage("arrival", options, {}, kit=kit) as staged:
        place = Place(staged.directory, cores())
        with pairs.relay(place) as relay, pairs.bare(place) as bare:
            found = capacity(relay, staged.method)
            staged.keep(found)
            loads = Loads(found["events_per_second"] / 3)
            for number in range(1, options.rounds + 1):
                for load in loads:
                    for pair in (relay, bare):
                        take = partial(reach, pair, load, staged.method)
                        line = undisturbed(take, staged.keep, options.patience_seconds)
                        staged.keep({"kind": "round", "round": number} | line)
                        staged.faults += (
                            f"round {number}, {line['contender']}: {fault}"
                            for fault in line["faults"]
                        )
    header, kept = lines.read(staged.path)
    rounds = lines.of_kind(kept, "round")
    drawing = plot.draw("From POST to the handler's start", header, rounds, PANELS)
    return conclude(staged, drawing, tables(header, kept), rounds, BARS)


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
