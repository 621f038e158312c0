"""The operators' commands over a million entries: each answers in a second, and none holds Redis.

One stream has a million entries, many of them pending and parked, a thousand streams stand beside
it, and there are a hundred thousand dead letters. Each command is run as a user runs it, and what
the server's SLOWLOG says of it is looked at. The best of three runs counts, since this machine
does other things too.
"""

import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench.failures import ProgramFailed
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.store import Store, store
from relay.contract.keys import Keys, member

ALLOWED_SECONDS = 1.0
ALLOWED_MS = 10.0

_KEYS = Keys()
_TAG, _GROUP, _TYPE = "bench", "crm", "large"
_STREAM = _KEYS.stream(_TAG, _TYPE)
_DATA = '{"text":"' + 200 * "x" + '"}'
_PAGE = 1000
_END_SECONDS = 300.0
_FILL = (Path(__file__).parent / "commands.lua").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Case:
    """One command.

    Args:
        arguments: What follows ``relay``; ``{round}`` is the number of the run, ``{last}`` that of
            the newest dead letter.
        prepare: Makes for each run what the command will take away.
    """

    arguments: tuple[str, ...]
    prepare: Callable[[Redis, Namespace, int], None] = lambda *_: None

    @property
    def name(self) -> str:
        """How it is called in what is said."""
        return f"relay {' '.join(self.arguments)}".replace("-{round}", "").replace("_{last}", "")


def _make_silent(client: Redis, given: Namespace, number: int) -> None:
    """Make a group that has everything to read, and was given little of it."""
    _make_group(client, f"silent-{number}", given.waiting)


def _make_burdened(client: Redis, given: Namespace, number: int) -> None:
    """Make a group under whose dead consumer everything is pending."""
    _make_group(client, f"burdened-{number}", given.entries)


def _pause(client: Redis, given: Namespace, number: int) -> None:  # noqa: ARG001 - as all are
    """Have something to resume."""
    client.hset(_KEYS.paused, "billing *:*", "{}")


_LARGE = f"{_TAG}:{_TYPE}"

CASES = (
    Case(("check",)),
    Case(("tail", _LARGE, "--from", "0", "--count", "100")),
    Case(("streams",)),
    Case(("groups",)),
    Case(("groups", "pause", "billing", "--reason", "bench")),
    Case(("groups", "resume", "billing"), _pause),
    Case(("dead", "list")),
    Case(("dead", "list", "--by", "reason")),
    Case(("dead", "list", "--account", "nobody")),
    Case(("dead", "list", "--error", "nothing of the kind")),
    Case(("dead", "show", "evt_{last}")),
    Case(("dead", "redrive", "--group", _GROUP, "--dry-run")),
    Case(("dead", "redrive", "--account", "nobody", "--limit", "100", "--dry-run")),
    Case(("dead", "redrive", "--error", "timeout", "--dry-run")),
    Case(("dead", "drop", "--group", _GROUP, "--dry-run")),
    Case(("replay", _GROUP, _LARGE, "--since", "1h", "--dry-run")),
    Case(("replay", _GROUP, _LARGE, "--account", "nobody", "--dry-run")),
    Case(("replay", _GROUP, _LARGE, "--id", "evt_{last}", "--dry-run")),
    Case(("groups", "remove", "silent-{round}", "--dry-run"), _make_silent),
    Case(("groups", "remove", "silent-{round}", "--yes")),
    Case(("groups", "remove", "burdened-{round}", "--dry-run"), _make_burdened),
    Case(("groups", "remove", "burdened-{round}", "--yes")),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run.

    Args:
        seconds: From its start to its end.
        worst_ms: The longest that one Redis command took, and
        worst: which that was.
    """

    seconds: float
    worst_ms: float
    worst: str


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Fill a server, run every command several times, and judge."""
    with store(directory, {"slowlog-log-slower-than": "1000"}) as redis:
        record.say("filled", **_fill(redis.client, given))
        for case in CASES:
            runs = [_run(redis, case, given, number) for number in range(given.rounds)]
            for number, each in enumerate(runs):
                record.say(
                    "run",
                    command=case.name,
                    number=number,
                    seconds=round(each.seconds, 3),
                    worst_ms=each.worst_ms,
                    worst=each.worst,
                )
            _judge(record, case, runs)


def _judge(record: Record, case: Case, runs: list[Run]) -> None:
    seconds = min(each.seconds for each in runs)
    record.judge(
        f"`{case.name}` answers",
        f"in {seconds:.2f} s at best",
        bound=f"within {ALLOWED_SECONDS:g} s",
        holds=seconds <= ALLOWED_SECONDS,
    )
    best = min(each.worst_ms for each in runs)
    record.judge(
        f"`{case.name}` does not keep the server",
        f"the longest command of the best run took {best:g} ms; the run {seconds:.2f} s at best",
        bound=f"at most {ALLOWED_MS:g} ms",
        holds=best <= ALLOWED_MS,
    )


def _run(redis: Store, case: Case, given: Namespace, number: int) -> Run:
    case.prepare(redis.client, given, number)
    redis.client.slowlog_reset()
    arguments = [
        argument.format(round=number, last=given.letters - 1) for argument in case.arguments
    ]
    command = [sys.executable, "-m", "relay", *arguments, "--redis-url", redis.url]
    started = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, timeout=_END_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    seconds = time.monotonic() - started
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")[-2000:]
        raise ProgramFailed(f"{case.name} ended with {done.returncode}:\n{said}")
    slow: Any = redis.client.slowlog_get(1000)
    worst = max(slow, key=lambda each: each["duration"], default=None)
    if worst is None:
        return Run(seconds, 0.0, "")
    words = b" ".join(worst["command"].split()[:4]).decode("utf-8", "replace")
    return Run(seconds, worst["duration"] / 1000, words)


def _fill(client: Redis, given: Namespace) -> dict[str, int]:
    """Make the streams, the group with what waits, and the dead letters."""
    client.sadd(_KEYS.tags, _TAG)
    types = [f"small{number}" for number in range(given.streams - 1)]
    for name in (_TYPE, *types):
        client.hset(_KEYS.streams(_TAG), name, "1 0-1")
    _append(client, _STREAM, given.entries)
    for name in types:
        _append(client, _KEYS.stream(_TAG, name), 1)
    for name in (_TYPE, *types):
        for group in (_GROUP, "billing"):
            client.xgroup_create(_KEYS.stream(_TAG, name), group, id="0")
    _park(client, given.waiting)
    _read(client, _GROUP, "dead-worker", given.waiting)
    _append(client, _KEYS.dead(_TAG, _GROUP), given.letters, "attempts_spent")
    return {"entries": given.entries, "streams": given.streams, "letters": given.letters}


def _append(client: Redis, stream: str, count: int, reason: str = "") -> None:
    fill = client.register_script(_FILL)
    for start in range(0, count, _PAGE):
        fill(keys=[stream], args=[min(_PAGE, count - start), _TYPE, _DATA, start, reason])


def _park(client: Redis, count: int) -> None:
    for ids in _read_pages(client, _GROUP, "@park", count):
        names = {member(each.decode(), _TYPE): time.time() * 1000 + 3_600_000 for each in ids}
        client.zadd(_KEYS.park(_TAG, _GROUP), names)


def _read(client: Redis, group: str, consumer: str, count: int) -> None:
    for _ in _read_pages(client, group, consumer, count):
        pass


def _read_pages(client: Redis, group: str, consumer: str, count: int) -> Iterator[list[bytes]]:
    for start in range(0, count, _PAGE):
        most = min(_PAGE, count - start)
        found: Any = client.xreadgroup(group, consumer, {_STREAM: ">"}, count=most)
        yield [entry_id for entry_id, _ in found[0][1]] if found else []


def _make_group(client: Redis, group: str, pending: int) -> None:
    client.xgroup_create(_STREAM, group, id="0")
    # Its consumer must not count as one that was active a moment ago.
    _read(client, group, "@gone", pending)


def main() -> int:
    """Read the options and run."""
    parser = options("The operators' commands over a million entries.")
    parser.add_argument("--entries", type=int, default=1_000_000, help="in the large stream")
    parser.add_argument("--streams", type=int, default=1000, help="how many there are")
    parser.add_argument("--waiting", type=int, default=10_000, help="parked, and left behind")
    parser.add_argument("--letters", type=int, default=100_000, help="dead ones")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    return judge("commands", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
