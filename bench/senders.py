"""``make bench-senders``: what a delivery of other senders costs beside one of Unipile's.

One gateway with an endpoint for each of them; short interleaved rounds. Exit code 1 where an event
is lost or doubled, or where a whole run misses a bar.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench import lines, plot, report
from bench.conclude import conclude
from bench.contenders import launch
from bench.contenders.contender import Contender
from bench.contenders.prove import prove
from bench.edge import exit_code_of
from bench.forms import FORMS
from bench.options import parse
from bench.rounds import Turn, run
from bench.stage import stage
from bench.table import Table

GATEWAY = "senders"
COLUMNS = (
    "events_per_second",
    "p50_ms",
    "p99_ms",
    "server_cpu_us",
    "redis_cpu_us",
)
PANELS = ("events_per_second", "server_cpu_us", "redis_cpu_us")


def work() -> int:
    """Measure and report."""
    options = parse(__doc__ or "", rounds=9, seconds=2)
    wanted = [sender for sender in FORMS if options.wants(sender)]
    launches = {GATEWAY: launch.relay(name=GATEWAY, senders=wanted)}
    with stage("senders", options, launches) as staged:
        contenders = by_sender(staged.contenders[GATEWAY], wanted)
        for contender in contenders.values():
            prove(contender, staged.directory)
        turns = [Turn(contender, contender.usual) for contender in contenders.values()]
        staged.faults += run(turns, staged.method, staged.keep)
    header, rounds = lines.read_rounds(staged.path)
    drawing = plot.draw("Senders", header, rounds, PANELS)
    return conclude(staged, drawing, tables(header, rounds), rounds, report.SENDER_BARS)


def by_sender(gateway: Contender, senders: Sequence[str]) -> Mapping[str, Contender]:
    """Give one gateway as a contender of each sender.

    Two processes of one program do not cost quite the same, so it is one for all.
    """
    return {name: replace(gateway, name=name, sender=name) for name in senders}


def tables(header: lines.Line, rounds: Sequence[lines.Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    return [
        report.conditions(header, rounds),
        report.medians(rounds, COLUMNS),
        report.ratios(rounds, report.SENDER_BARS),
    ]


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
