"""A Redis of one's own: started in its own directory, emptied between rounds, looked into.

Options in, a running server out. It measures nothing by itself.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from bench.processes import Program, free_port, running
from bench.tools import path_of

Durability = Literal["everysec", "always"]

_REWRITE_SECONDS = 30.0
_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Store:
    """One running server.

    Args:
        program: Its process.
        port: Where it listens on loopback.
        client: For emptying it and looking into it, never while it is measured.
    """

    program: Program
    port: int
    client: Redis

    @property
    def url(self) -> str:
        """Where it is, for those who use it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def empty(self) -> None:
        """Remove all keys, and let the append-only file begin anew."""
        self.client.flushall()
        self.client.bgrewriteaof()
        deadline = time.monotonic() + _REWRITE_SECONDS
        while self._rewrites():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Redis did not rewrite its file in {_REWRITE_SECONDS} s")
            time.sleep(0.02)

    def streams(self, pattern: str) -> list[bytes]:
        """List the streams whose key matches a pattern."""
        found: Any = self.client.scan_iter(pattern, count=1000, _type="stream")
        return list(found)

    def event_ids(self, stream: bytes) -> list[bytes]:
        """Give the field ``id`` of every entry of a stream, oldest first."""
        pages = self.client.register_script((Path(__file__).parent / "ids.lua").read_text("utf-8"))
        found: list[bytes] = []
        last: bytes = b"-"
        while True:
            page = cast("list[Any]", pages(keys=[stream], args=[last, _PAGE]))
            if not page[1]:
                return found
            last, found = b"(" + page[0], found + page[1]

    def first_entry(self, stream: bytes) -> dict[bytes, bytes]:
        """Give the fields of a stream's first entry."""
        found: Any = self.client.xrange(stream, count=1)
        return cast("dict[bytes, bytes]", found[0][1]) if found else {}

    def _rewrites(self) -> bool:
        state: Any = self.client.info("persistence")
        return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])


def durable(durability: Durability) -> dict[str, str]:
    """Give the options of a store that keeps a file.

    Rewriting by size is off: it would go on beside the events, and fall into one contender's
    round and not into another's.
    """
    return {
        "appendonly": "yes",
        "appendfsync": durability,
        "auto-aof-rewrite-percentage": "0",
    }


def client(port: int) -> Redis:
    """Give a client of a server on loopback that waits long, and asks once."""
    return Redis(port=port, protocol=2, socket_timeout=60.0, retry=Retry(NoBackoff(), 0))


@contextmanager
def store(
    directory: Path,
    options: Mapping[str, str],
    *,
    name: str = "redis",
    on_cores: Sequence[int] = (),
) -> Iterator[Store]:
    """Have a server within the block, once it answers.

    Args:
        directory: Where one of its own is made.
        options: Of its configuration; without any it keeps no file.
        name: Names that.
        on_cores: Where it runs; on all by default.
    """
    own, port = directory / name, free_port()
    own.mkdir()
    fixed = {"port": str(port), "bind": "127.0.0.1", "dir": str(own), "save": ""}
    pairs = ((f"--{key}", value) for key, value in (fixed | dict(options)).items())
    command = [path_of("redis-server"), *(word for pair in pairs for word in pair)]
    with running(name, command, own, on_cores) as program, closing(client(port)) as redis:
        program.wait_for(lambda: _answers(redis), "an answer to PING")
        yield Store(program, port, redis)


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
