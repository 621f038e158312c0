"""A hundred thousand dead letters: looked at, redriven and dropped beside a worker that goes on.

What the server's SLOWLOG says is the first question: no step may keep the others from the server.
The second is how long a person waits for what a command has to say. The best of three rounds
counts, since this machine does other things too.
"""

import subprocess
import sys
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench.failures import ProgramFailed
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.workers import GROUP, KEYS, stream, worker, write_handlers
from bench.processes import environment
from bench.store import Store, store
from relay.contract.entry import encode
from relay.contract.event import Event

_TARGET = stream("failing")
_DEAD = KEYS.dead(_TARGET.tag, GROUP)
_AGAIN = KEYS.again(_TARGET.tag, GROUP, _TARGET.event_type)
_PAGE = 1000
_BODY = b"x" * 700
_WAIT_SECONDS = 600.0
ALLOWED_MS = 10.0
ANSWER_SECONDS = 1.0

# What a person waits for; each has to look at far more letters than it shows.
_LOOKS = (
    ("list",),
    ("list", "--account", "nobody"),
    ("list", "--by", "error"),
)
_HANDLERS = """
    from consumers import Event, Worker

    worker = Worker(group="bench")

    @worker.on("unipile:*", concurrency=50)
    async def handle(event: Event) -> None:
        pass
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round.

    Args:
        answers: How long each command took that only looks, seconds.
        redriven: How many letters were given back.
        seconds: How long that took, from the command's start to its end.
        dropped: How many were removed.
        worst_ms: The longest that one command kept the server, and
        worst: which that was.
    """

    answers: dict[str, float]
    redriven: int
    seconds: float
    dropped: int
    worst_ms: float
    worst: str


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Look, redrive and drop beside a worker, and judge."""
    write_handlers(directory, _HANDLERS)
    with store(directory, {"slowlog-log-slower-than": "500"}) as redis:
        rounds = []
        for number in range(1, given.rounds + 1):
            each = _round(redis, directory, given.letters)
            rounds.append(each)
            record.say(
                "round",
                number=number,
                letters=given.letters,
                seconds=round(each.seconds, 2),
                letters_per_second=round(each.redriven / each.seconds),
                worst_ms=each.worst_ms,
                worst=each.worst,
                **{name: round(seconds, 2) for name, seconds in each.answers.items()},
            )
    _judge(record, rounds, given.letters)


def _judge(record: Record, rounds: list[Round], letters: int) -> None:
    record.judge(
        "each letter is given back once, and the rest is dropped",
        ", ".join(f"{each.redriven:,} and {each.dropped:,}" for each in rounds),
        bound=f"{letters - letters // 10:,} and {letters // 10:,}",
        holds=all(
            (each.redriven, each.dropped) == (letters - letters // 10, letters // 10)
            for each in rounds
        ),
    )
    best = min(each.worst_ms for each in rounds)
    record.judge(
        "no command keeps the server for long",
        f"the longest of the best round took {best} ms",
        bound=f"at most {ALLOWED_MS:g} ms",
        holds=best <= ALLOWED_MS,
    )
    slowest = min(max(each.answers.values()) for each in rounds)
    record.judge(
        "what only looks answers at once",
        f"the slowest of the best round took {slowest:.2f} s, its start included",
        bound=f"under {ANSWER_SECONDS:g} s",
        holds=slowest < ANSWER_SECONDS,
    )


def _round(redis: Store, directory: Path, letters: int) -> Round:
    redis.client.flushall()
    _fill(redis.client, letters)
    with worker(directory, redis.url, "worker"):
        redis.client.slowlog_reset()
        answers = {" ".join(look): _dead(redis, directory, *look) for look in _LOOKS}
        answers["show"] = _dead(redis, directory, "show", _oldest(redis.client))
        seconds = _dead(redis, directory, "redrive", "--type", _TARGET.event_type, "--yes")
        left = _length(redis.client, _DEAD)
        _until_handled(redis.client)
        _dead(redis, directory, "drop", "--yes")
        dropped = left - _length(redis.client, _DEAD)
    slow: Any = redis.client.slowlog_get(10_000)
    worst = max(slow, key=lambda each: each["duration"], default=None)
    what = b"" if worst is None else b" ".join(worst["command"].split()[:4])
    return Round(
        answers=answers,
        redriven=letters - left,
        seconds=seconds,
        dropped=dropped,
        worst_ms=0.0 if worst is None else worst["duration"] / 1000,
        worst=what.decode("utf-8", "replace"),
    )


def _dead(redis: Store, directory: Path, *arguments: str) -> float:
    """Run a command; give how many seconds it took.

    Raises:
        ProgramFailed: It did not end well.
    """
    command = [sys.executable, "-m", "relay", "dead", *arguments, "--redis-url", redis.url]
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_WAIT_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")[-2000:]
        raise ProgramFailed(f"relay dead {' '.join(arguments)}:\n{said}")
    return seconds


def _until_handled(client: Redis) -> None:
    """Wait until nothing is left of what was given again.

    Raises:
        TimeoutError: Something is.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while client.exists(_AGAIN):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{_length(client, _AGAIN)} are not handled")
        time.sleep(0.1)


def _fill(client: Redis, letters: int) -> None:
    """Set events aside, a tenth of them of a type that nobody can redrive."""
    tag = _TARGET.tag
    client.sadd(KEYS.tags, tag)
    client.hset(KEYS.streams(tag), _TARGET.event_type, "1 1-0")
    client.xgroup_create(_TARGET.key, GROUP, id="0", mkstream=True)
    for start in range(0, letters, _PAGE):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, min(start + _PAGE, letters)):
            pipeline.xadd(_DEAD, _letter(number))
        pipeline.execute()


def _letter(number: int) -> dict[Any, Any]:
    flat = encode(
        Event(
            id=f"evt_{number}",
            source=f"/webhooks/{_TARGET.tag}",
            type="no longer known" if number % 10 == 0 else _TARGET.event_type,
            data=_BODY,
            received_at_ms=0,
            assurance="body",
            headers={"content-type": "application/json", "user-agent": "bench"},
        )
    )
    fields: dict[Any, Any] = dict(zip(flat[::2], flat[1::2], strict=True))
    return fields | {
        "entryid": f"{number + 1}-0",
        "reason": "attempts_spent",
        "attempts": "8",
        "lasterror": f"HTTPError: {500 + number % 4} after {number} ms",
        "firsterror": "HTTPError: 500",
    }


def _oldest(client: Redis) -> str:
    found: Any = client.xrange(_DEAD, count=1)
    return str(found[0][0].decode())


def _length(client: Redis, key: str) -> int:
    found: Any = client.xlen(key)
    return int(found)


def main() -> int:
    """Read the options and run."""
    parser = options("Looking at, redriving and dropping dead letters.")
    parser.add_argument("--letters", type=int, default=100_000, help="how many there are")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    return judge("redrive", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
