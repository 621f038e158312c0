"""A replay of a hundred thousand entries whose command is killed twice: what the handlers saw.

Two groups have read a stream. One is given all of it again by `relay replay`, which is killed at
random moments and gone on with. Each event must be handled again exactly once, by that group only,
and no command may keep the server from the others. The best of three rounds counts for the latter,
since this machine does other things too.
"""

import json
import random
import re
import sys
import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.failures import ProgramFailed
from bench.holds.counting import count_runs
from bench.holds.jobs import Channel, Job, job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.takeover import ALLOWED_MS
from bench.holds.workers import KEYS, fill, stream
from bench.processes import Program, running
from bench.store import Store, store
from consumers import Worker

_STREAM = stream("replayed")
_GROUPS = ("bench", "other")
_AGAIN = KEYS.again(_STREAM.tag, "bench", _STREAM.event_type)
_WAIT_SECONDS = 300.0
_LOOK_SECONDS = 0.01
# After which part of the copies a command is killed, at random between the two.
_KILLS = ((0.05, 0.4), (0.45, 0.9))
_NAME = re.compile(r"--resume (bench:[0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round.

    Args:
        events: How many different events were handled again, and
        runs: in how many runs.
        others: How many runs the other group had.
        kills: How many copies there were when the command was killed.
        seconds: From the first command to the last acknowledgement.
        worst_ms: The longest that one command kept the server, and
        worst: which that was.
    """

    events: int
    runs: int
    others: int
    kills: tuple[int, ...]
    seconds: float
    worst_ms: float
    worst: str


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Replay, kill, go on, and judge."""
    chance = random.Random(given.seed)
    rounds = []
    with store(directory, {"slowlog-log-slower-than": "500"}) as redis:
        for number in range(1, given.rounds + 1):
            each = _round(redis, directory, given.entries, chance)
            rounds.append(each)
            record.say(
                "round",
                number=number,
                entries=given.entries,
                killed_at=list(each.kills),
                seconds=round(each.seconds, 2),
                worst_ms=each.worst_ms,
                worst=each.worst,
            )
    _judge(record, rounds, given.entries)


def _judge(record: Record, rounds: list[Round], entries: int) -> None:
    record.judge(
        "a replay that is killed twice has each event handled again once",
        ", ".join(f"{each.events:,} events in {each.runs:,} runs" for each in rounds),
        bound=f"{entries:,} events in as many runs",
        holds=all(each.events == each.runs == entries for each in rounds),
    )
    record.judge(
        "no other group sees it",
        f"{sum(each.others for each in rounds)} runs of the other group",
        bound="none",
        holds=not any(each.others for each in rounds),
    )
    best = min(each.worst_ms for each in rounds)
    record.judge(
        "no command keeps the server for long during a replay",
        f"the longest of the best round took {best} ms",
        bound=f"at most {ALLOWED_MS:g} ms",
        holds=best <= ALLOWED_MS,
    )


def _round(redis: Store, directory: Path, entries: int, chance: random.Random) -> Round:
    redis.client.flushall()
    (directory / "replay.log").unlink(missing_ok=True)
    fill(redis.client, _STREAM, [f"event-{number}" for number in range(entries)])
    for group in _GROUPS:
        redis.client.xgroup_create(_STREAM.key, group, id="$")
    redis.client.slowlog_reset()
    with ExitStack() as stack:
        workers = [stack.enter_context(job(work, redis.url, group)) for group in _GROUPS]
        for each in workers:
            each.heard(_WAIT_SECONDS)
        started = time.monotonic()
        kills = _replay(redis, directory, entries, chance)
        _until_settled(redis)
        seconds = time.monotonic() - started
        ours, others = (_stopped(each) for each in workers)
    slow: Any = redis.client.slowlog_get(10_000)
    worst = max(slow, key=lambda each: each["duration"], default=None)
    what = b"" if worst is None else b" ".join(worst["command"].split()[:4])
    return Round(
        events=ours[0],
        runs=ours[1],
        others=others[1],
        kills=kills,
        seconds=seconds,
        worst_ms=0.0 if worst is None else worst["duration"] / 1000,
        worst=what.decode("utf-8", "replace"),
    )


def _replay(redis: Store, directory: Path, entries: int, chance: random.Random) -> tuple[int, ...]:
    """Replay all there is, and give how many copies there were at each kill."""
    kills, words = [], [_GROUPS[0], "--yes"]
    for between in _KILLS:
        wanted = int(chance.uniform(*between) * entries)
        with _command(redis, directory, *words) as program:
            while _copied(redis, program) < wanted:
                if program.process.poll() is not None:
                    raise ProgramFailed(f"the replay ended: {_said(program)}")
                time.sleep(_LOOK_SECONDS)
            program.process.kill()
            program.process.wait()
            kills.append(_copied(redis, program))
            words = ["--resume", *_names_in(program)[-1:]]
    with _command(redis, directory, *words) as program:
        if program.process.wait(_WAIT_SECONDS):
            raise ProgramFailed(f"the replay failed: {_said(program)}")
    return tuple(kills)


def _command(redis: Store, directory: Path, *words: str) -> Any:  # noqa: ANN401 - a block
    command = [sys.executable, "-m", "relay", "replay", *words, "--redis-url", redis.url]
    return running("replay", command, directory)


def _names_in(program: Program) -> list[str]:
    return _NAME.findall(program.log.read_text("utf-8", "replace"))


def _said(program: Program) -> str:
    return program.log.read_text("utf-8", "replace")[-2000:]


def _copied(redis: Store, program: Program) -> int:
    """Count the copies by the book; the group's stream loses what is settled."""
    for name in _names_in(program)[-1:]:
        book = KEYS.replay(_STREAM.tag, *name.split(":"))
        text: Any = redis.client.hget(book, _STREAM.event_type)
        return int(json.loads(text)["copied"]) if text else 0
    return 0


def _until_settled(redis: Store) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while redis.client.exists(_AGAIN):
        if time.monotonic() > deadline:
            raise ProgramFailed("not all that was given again is settled")
        time.sleep(_LOOK_SECONDS)


def _stopped(worker: Job[tuple[int, int]]) -> tuple[int, int]:
    worker.tell("stop")
    return worker.result(_WAIT_SECONDS)


def work(channel: Channel, url: str, group: str) -> tuple[int, int]:
    """Run a worker until told to stop; give how many events it handled, and in how many runs."""
    worker = Worker(group=group)

    @worker.on_startup
    def say() -> None:
        channel.say("started")

    return count_runs(channel, url, worker, f"{_STREAM.tag}:*")


def main() -> int:
    """Read the options and run."""
    parser = options("A replay that is killed twice.")
    parser.add_argument("--entries", type=int, default=100_000, help="how many are replayed")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--seed", type=int, default=1, help="for the moments of the kills")
    return judge("replay", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
