"""``make bench-consume``: a worker's events per second and CPU per event beside those of others.

Contenders are taken in turn, round by round, each with a backlog of its own form in the same
store. Exit code 1 where an event is not handled or not settled, or where a whole run misses a bar.
With ``--sweep`` it looks for each contender's best settings instead, and keeps them.
"""

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from bench import lines, plot
from bench.conclude import conclude
from bench.consume import sweep
from bench.consume.backlog import Backlogs
from bench.consume.tables import JUDGED, PANELS, bars, of_handler, reached, swept, tables
from bench.consume.turn import Ground, take
from bench.consume.workers import ARQ, BEST, Contender, contenders, keep_best
from bench.edge import exit_code_of
from bench.machine import OURS, version_of
from bench.options import SCRATCH, Options, options_of, parser_of
from bench.quiet import undisturbed
from bench.stage import Kit, Stage, stage
from bench.store import durable, store

PACKAGES = (*OURS, "faststream", "taskiq", "taskiq-redis", "streaq", "coredis")
# How many events a turn may have at most: what the store then holds is a quarter of a GB.
_MOST, _LEAST = 250_000, 500
_FAR_SHORT = 1.5


def work() -> int:
    """Measure and report."""
    given = _given()
    options = options_of(given)
    wanted = [one for one in contenders() if _wants(options, given.handler, one)]
    return _sweep(options, wanted) if given.sweep else _compare(options, wanted)


def _compare(options: Options, wanted: Sequence[Contender]) -> int:
    with stage("consume", options, {}, kit=_kit()) as staged:
        for line in _rounds(wanted, staged):
            staged.keep(line)
            number, name = line["round"], line["contender"]
            staged.faults += (f"round {number}, {name}: {fault}" for fault in line["faults"])
    header, rounds = lines.read_rounds(staged.path)
    judged = of_handler(rounds, JUDGED)
    drawing = plot.draw("Workers, a handler that parses the JSON", header, judged, PANELS)
    code = conclude(staged, drawing, tables(header, rounds), judged, bars(judged))
    print(reached(judged))
    return code


def _sweep(options: Options, wanted: Sequence[Contender]) -> int:
    options = replace(options, rounds=sweep.TAKES)
    with stage("consume-sweep", options, {}, kit=_kit()) as staged, _ground(staged) as ground:
        way = sweep.Way(ground, options.seconds, options.patience_seconds, staged.keep)
        for line in sweep.sweep(wanted, way):
            staged.keep(line)
            keep_best(line)
    header, found = lines.read_rounds(staged.path)
    for table in swept(header, found):
        print(f"\n{table.text()}")
    print(f"\nKept in {BEST}, raw lines: {staged.path}")
    return 0


def _kit() -> Kit:
    return Kit(
        needs=("redis-server", "taskset"),
        tools=("redis-server",),
        packages=PACKAGES,
        versions={"arq": version_of("arq", ARQ)},
        is_sent_to=False,
    )


@contextmanager
def _ground(staged: Stage) -> Iterator[Ground]:
    cores, directory = staged.cores, staged.directory
    with store(directory, durable("everysec"), on_cores=[cores.load]) as redis:
        yield Ground(redis, Backlogs(redis, directory), directory, cores)


def _given() -> Namespace:
    parser = parser_of(__doc__ or "", rounds=5, seconds=2)
    parser.add_argument("--handler", choices=("no-op", "1 ms"), help="one of the two only")
    parser.add_argument("--sweep", action="store_true", help="look for the best settings")
    given = parser.parse_args()
    if given.handler and not given.results:
        given.results = SCRATCH  # a part of the lines would take the place of all
    return given


def _wants(options: Options, handler: str | None, one: Contender) -> bool:
    return options.wants(one.worker.name) and handler in {None, one.handler}


def _rounds(wanted: Sequence[Contender], staged: Stage) -> Iterator[lines.Line]:
    """Look at each contender once, then take the rounds; the looks say how long a backlog is."""
    options = staged.options
    with _ground(staged) as ground:
        sizes = []
        for one in wanted:
            look = take(one, _first_size(one), ground)
            yield look | {"kind": "look", "round": 0}
            sizes.append(_size(look["events_per_second"] * options.seconds))
        for number in range(1, options.rounds + 1):
            for place, one in enumerate(wanted):
                measure = partial(take, one, sizes[place], ground)
                line = undisturbed(measure, staged.keep, options.patience_seconds)
                yield {"kind": "round", "round": number} | line
                sizes[place] = _grown(sizes[place], line["events_per_second"] * options.seconds)


def _first_size(one: Contender) -> int:
    return one.worker.guess if one.handler == "no-op" else min(one.worker.guess, _LEAST)


def _grown(size: int, events: float) -> int:
    """Say how long the next backlog is: as the last, which is at hand, if it was not far short."""
    return _size(events) if events > _FAR_SHORT * size else size


def _size(events: float) -> int:
    return max(_LEAST, min(_MOST, int(events)))


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
