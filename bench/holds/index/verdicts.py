"""Judges what the index costs: scenarios with their samples in, lines and verdicts out."""

from collections.abc import Sequence
from dataclasses import asdict

from bench.holds.index.designs import BURST_TIMES, LARGE, MILLION, SMALL, Part, parts
from bench.holds.index.findings import MANY_IDS, cost, worst
from bench.holds.index.scenario import Design, Sample
from bench.holds.record import Record

BYTES_PER_ID = 64
CPU_RATIO = 1.5
ROLLOVERS = 3
# So few ids may cost more than plain keys: the books have a price of their own.
HANDFUL = 10

_NEW = frozenset(map(str, LARGE + MILLION))
_FEW = frozenset(str(ids) for ids in SMALL if ids < MANY_IDS)


def report(record: Record, design: Design, samples: list[Sample]) -> None:
    """Write what each part came to, and judge those that are promised."""
    for part in parts(design, samples):
        least = 1 if design.name in _FEW else MANY_IDS
        dearest, spent = worst(part.samples, least), cost(part.samples)
        record.say(
            "part",
            scenario=design.name,
            part=part.name,
            bytes_per_id=asdict(dearest) if dearest else None,
            cpu=asdict(spent) | {"ratio": spent.ratio} if spent else None,
        )
        _judge_part(record, design, part)


def judge_few(record: Record, runs: Sequence[list[Sample]]) -> None:
    """Judge all moments of all runs at which fewer than 10,000 ids were remembered."""
    dearer = [
        one.remembered
        for samples in runs
        for one in samples
        if one.remembered < MANY_IDS and one.relay_bytes > one.plain_bytes
    ]
    looked = sum(one.remembered < MANY_IDS for samples in runs for one in samples)
    record.judge(
        f"below {MANY_IDS:,} ids the index takes no more than plain keys",
        f"more at {len(dearer)} of {looked} moments, with at most {max(dearer, default=0)} ids",
        bound=f"never with more than {HANDFUL} ids",
        holds=looked > 0 and max(dearer, default=0) <= HANDFUL,
    )


def _judge_part(record: Record, design: Design, part: Part) -> None:
    # While a burst leaves the window its ids no longer count, but are not yet removed.
    if design.name not in _FEW and part.name != "leaving":
        _judge_bytes(record, design, part)
    if design.name in _NEW and part.name == "steady":
        _judge_cpu(record, design, part)


def _judge_bytes(record: Record, design: Design, part: Part) -> None:
    dearest = worst(part.samples, MANY_IDS)
    enough = part.name != "steady" or (dearest is not None and dearest.rollovers >= ROLLOVERS)
    record.judge(
        f"bytes per id, {_said(design, part)}",
        f"{dearest.relay} at the worst of {dearest.samples} moments over {dearest.rollovers} "
        f"rollovers (plain keys {dearest.plain})"
        if dearest
        else "never so many ids",
        bound=f"at most {BYTES_PER_ID}",
        holds=dearest is not None and dearest.relay <= BYTES_PER_ID and enough,
    )


def _judge_cpu(record: Record, design: Design, part: Part) -> None:
    spent = cost(part.samples)
    record.judge(
        f"CPU of Redis per event, {_said(design, part)}",
        f"{spent.relay_us} µs, plain keys {spent.plain_us} µs: {spent.ratio}"
        if spent
        else "no event",
        bound=f"at most {CPU_RATIO} × plain keys",
        holds=spent is not None and 0 < spent.ratio <= CPU_RATIO,
    )


def _said(design: Design, part: Part) -> str:
    if design.pattern.burst_at is None:
        return f"{int(design.name):,} ids per window, {part.name}"
    return f"{BURST_TIMES} × burst over {MANY_IDS:,} ids per window, {part.name}"
