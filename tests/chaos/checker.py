"""Pure: what a run has left behind in, the promises that it broke out.

What may happen twice is counted and not judged: at least once is the promise. What is settled may
have been trimmed, when the server was full.
"""

from collections import Counter
from collections.abc import Iterable

from tests.chaos.evidence import Act, Evidence
from tests.chaos.rules import ATTEMPTS

SHOWN = 5


def judge(evidence: Evidence) -> list[str]:
    """Say which promises were broken.

    Args:
        evidence: Gathered when everything was settled.

    Returns:
        A sentence for each; none where all were kept.
    """
    stored = {event_id for ids in evidence.stored.values() for event_id in ids}
    faults = [
        *_say("in a stream and never sent", stored - evidence.intended),
        *_say("twice in a stream", _twice(evidence.stored.values())),
        *evidence.left,
        *evidence.troubles,
    ]
    for group in evidence.runs:
        faults += _judge_group(evidence, group, stored)
        faults += _judge_order(group, evidence.acts[group])
    return faults


def _judge_group(evidence: Evidence, group: str, stored: set[str]) -> list[str]:
    runs, dead = evidence.runs[group], set(evidence.dead[group])
    seen = {run.event_id for run in runs} | dead
    ended = evidence.done(group) | dead
    over = {run.event_id for run in runs if run.attempt > ATTEMPTS}
    return [
        *_say(f"accepted, neither handled nor dead in {group}", evidence.accepted - ended),
        *_say(f"stored, neither handled nor dead in {group}", stored - evidence.accepted - ended),
        *_say(f"handled in {group} and never sent", seen - evidence.intended),
        *_say(f"tried more often than allowed in {group}", over),
    ]


def _judge_order(group: str, acts: list[Act]) -> list[str]:
    """Look at each key's first acts; whoever stores an effect refuses those of a former owner."""
    fences: dict[str, int] = {}
    newest: dict[str, tuple[int, int]] = {}
    done: set[tuple[str, str]] = set()
    faults = []
    for act in acts:
        if act.fence < fences.get(act.key, 0) or (act.key, act.entry_id) in done:
            continue
        fences[act.key] = act.fence
        done.add((act.key, act.entry_id))
        at = _order(act.entry_id)
        if at < newest.get(act.key, (0, 0)):
            faults.append(f"order of {act.key} broken in {group}: {act.entry_id} came too late")
        newest[act.key] = max(at, newest.get(act.key, (0, 0)))
    return faults


def repeated(evidence: Evidence, group: str) -> int:
    """Say how many runs came to a good end though one had before."""
    done = Counter(run.event_id for run in evidence.runs[group] if run.outcome == "done")
    return sum(done.values()) - len(done)


def both(evidence: Evidence, group: str) -> int:
    """Say how many events are dead letters though a run of theirs came to a good end."""
    return len(evidence.done(group) & set(evidence.dead[group]))


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq)


def _twice(streams: Iterable[list[str]]) -> set[str]:
    counted = Counter(event_id for ids in streams for event_id in ids)
    return {event_id for event_id, count in counted.items() if count > 1}


def _say(what: str, event_ids: set[str]) -> list[str]:
    if not event_ids:
        return []
    some = ", ".join(sorted(event_ids)[:SHOWN])
    return [f"{len(event_ids)} {what}: {some}"]
