"""Rounds in turn: all servers up at once, each measured for a few seconds, then the next.

The cores of a shared machine change speed within a second. So contenders are compared only
within one run, taken in turn, by the medians of their rounds.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import truth, wrk
from bench.contenders.contender import Contender
from bench.cost import Cost, Meters
from bench.deliveries import Deliveries, Shape, write
from bench.failures import SenderFailed
from bench.forms import FORMS
from bench.lines import Line
from bench.machine import Cores
from bench.quiet import undisturbed

# How many deliveries are prepared for a second, until a contender was seen to take more or fewer.
# Too few are noticed: then the turn is taken again with twice as many.
_FIRST_GUESS_PER_SECOND = 60_000
_FIRST_GUESS_BYTES_PER_SECOND = 500_000_000
_MARGIN = 2.0
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Method:
    """How rounds are run.

    Args:
        rounds: How many.
        seconds: How long each contender is measured in a round.
        warm_up_seconds: How long it is under load before that.
        connections: How many deliveries are under way at once.
        cores: Who runs where.
        directory: For the files of deliveries.
        patience_seconds: How long to wait for others on the machine before each measurement.
    """

    rounds: int
    seconds: int
    warm_up_seconds: int
    connections: int
    cores: Cores
    directory: Path
    patience_seconds: float = 0.0


@dataclass(slots=True)
class Turn:
    """One contender under one shape of load.

    Args:
        contender: A running one.
        shape: What is sent to it.
        load: What the shape is called in lines and tables.
        best_per_second: The most events that it was seen to take; 0 if never seen.
        attempt: How often the deliveries ran out.
    """

    contender: Contender
    shape: Shape = field(default_factory=Shape)
    load: str = ""
    best_per_second: float = 0.0
    attempt: int = 0

    def prepared(self, seconds: int) -> int:
        """Say how many deliveries to make for so many seconds."""
        guess = min(_FIRST_GUESS_PER_SECOND, _FIRST_GUESS_BYTES_PER_SECOND / self.shape.body_bytes)
        per_second = _MARGIN * self.best_per_second or guess
        return 1000 + int(seconds * per_second * 2**self.attempt)


class _RanOut(Exception):
    """Deliveries were sent a second time, so duplicates were measured."""


def run(turns: Sequence[Turn], method: Method, keep: Callable[[Line], None]) -> Iterator[str]:
    """Run all rounds, and hand each line to be kept as soon as it is measured.

    Yields:
        What went wrong in a round, if anything did.
    """
    for number in range(1, method.rounds + 1):
        for turn in turns:
            head = Line(kind="round", round=number)
            take = partial(_taken, turn, method, head)
            line = undisturbed(take, keep, method.patience_seconds)
            keep(line)
            for fault in line["faults"]:
                yield f"round {number}, {turn.contender.name}: {fault}"


def _taken(turn: Turn, method: Method, head: Line) -> Line:
    """Run one contender's part of a round, again where the deliveries ran out."""
    for _ in range(_ATTEMPTS):
        try:
            line, faults = _measured(turn, method)
        except _RanOut:
            turn.attempt += 1
        else:
            return head | line | {"faults": faults}
    raise SenderFailed(f"{turn.contender.name} took all deliveries {_ATTEMPTS} times over")


def _measured(turn: Turn, method: Method) -> tuple[Line, list[str]]:
    """Prepare deliveries, warm up, measure under load, and look at what was stored."""
    contender = turn.contender
    if contender.store:
        contender.store.empty()
    seconds = method.seconds + method.warm_up_seconds
    made = write(method.directory / "deliveries", turn.shape, turn.prepared(seconds))
    os.sync()  # what others have written must not be waited for in this one's time
    warm_up = _sent(turn, made, method, 0, method.warm_up_seconds)
    meters = Meters(contender)
    measured = _sent(turn, made, method, warm_up.calls, method.seconds)
    cost = meters.read()
    if warm_up.wrapped or measured.wrapped:
        raise _RanOut
    turn.best_per_second = max(turn.best_per_second, measured.events_per_second)
    calls = warm_up.calls + measured.calls
    unanswered = calls - warm_up.accepted - measured.accepted
    sent = {FORMS[turn.shape.sender].stored_id(name) for name in made.distinct(calls)}
    found = truth.look(sent, unanswered, contender.event_ids())
    faults = [*_load_faults(warm_up, measured), *(found.faults() if contender.store else [])]
    if unanswered > 2 * (method.connections + 1) and not faults:
        faults.append(f"{unanswered} deliveries have no answer, which the connections cannot hold")
    made.path.unlink()
    return _line(turn, measured, cost, found), faults


def _sent(turn: Turn, made: Deliveries, method: Method, offset: int, seconds: int) -> wrk.Answers:
    return wrk.send(
        turn.contender.port,
        made.path,
        offset=offset,
        seconds=seconds,
        connections=method.connections,
        core=method.cores.load,
    )


def _load_faults(warm_up: wrk.Answers, measured: wrk.Answers) -> Iterator[str]:
    both = (warm_up, measured)
    if refused := sum(part.refused for part in both):
        yield f"{refused} deliveries were refused"
    if broken := sum(part.broken for part in both):
        yield f"{broken} connections broke or answers came too late"


def _line(turn: Turn, measured: wrk.Answers, cost: Cost, found: truth.Truth) -> Line:
    contender = turn.contender
    line = Line(contender=contender.name)
    if turn.load:
        line["load"] = turn.load
    line |= {
        "seconds": round(measured.duration_us / 1_000_000, 3),
        "events": measured.accepted,
        "events_per_second": round(measured.events_per_second),
        "p50_ms": measured.p50_us / 1000,
        "p99_ms": measured.p99_us / 1000,
        "p999_ms": measured.p999_us / 1000,
        "server_cpu_us": cost.server.us_per(measured.accepted),
        "server_peak_mib": cost.server.peak_mib,
        "others_cpu_percent": cost.others_percent,
    }
    if cost.store:
        line |= {
            "redis_cpu_us": cost.store.us_per(measured.accepted),
            "redis_peak_mib": cost.store.peak_mib,
            "sent": found.sent,
            "unanswered": found.unanswered,
            "entries": found.entries,
            "distinct": found.distinct,
        }
    return line
