"""Worker processes of a benchmark: a module of handlers in, running workers and their acts out.

Handlers write what they do into one file, a line for each act, appended in one piece, so that the
lines of several processes lie in the order of their acts.
"""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from bench.processes import Program, running
from relay.contract.entry import encode
from relay.contract.event import Event
from relay.contract.keys import Keys
from relay.contract.stream import Stream

GROUP = "bench"
KEYS = Keys()
ACTS = "acts.txt"
_PAGE = 500
_BODY = b"x" * 600


def stream(event_type: str, tag: str = "unipile") -> Stream:
    """Name a stream."""
    return Stream(tag, event_type, KEYS.stream(tag, event_type))


def fill(redis: Redis, target: Stream, event_ids: Sequence[str]) -> None:
    """Put events into a stream, registered as the gateway does it."""
    redis.sadd(KEYS.tags, target.tag)
    for start in range(0, len(event_ids), _PAGE):
        pipeline = redis.pipeline(transaction=False)
        for event_id in event_ids[start : start + _PAGE]:
            pipeline.xadd(target.key, _fields(target, event_id))
        first = pipeline.execute()[0]
        redis.hsetnx(KEYS.streams(target.tag), target.event_type, b"1 " + first)
    redis.xadd(KEYS.control, {"news": "type"}, maxlen=100)


def _fields(target: Stream, event_id: str) -> dict[Any, Any]:
    flat = encode(
        Event(
            id=event_id,
            source=f"/webhooks/{target.tag}",
            type=target.event_type,
            data=_BODY,
            received_at_ms=0,
            assurance="body",
        )
    )
    return dict(zip(flat[::2], flat[1::2], strict=True))


def write_handlers(directory: Path, text: str) -> None:
    """Write the module ``handlers`` with a worker ``worker`` in it."""
    (directory / "handlers.py").write_text(textwrap.dedent(text), "utf-8")


@contextmanager
def worker(directory: Path, url: str, name: str, *options: str) -> Iterator[Program]:
    """Have a worker process within the block, started in a directory with ``handlers``."""
    command = [sys.executable, "-m", "consumers", "handlers:worker", "--redis-url", url, *options]
    with running(name, command, directory) as program:
        yield program


def acts(directory: Path) -> list[list[str]]:
    """Give the acts until now, each as its words."""
    written = directory / ACTS
    if not written.exists():
        return []
    # The last line may be on its way.
    return [line.split() for line in written.read_text("ascii").split("\n")[:-1]]
