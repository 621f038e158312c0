"""A contender's own Redis: started on its own directory, emptied between rounds, looked into.

A durability in, a running server out. It measures nothing by itself.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        """Remove all keys, and let the append-only file begin anew.

        Rewriting by size is switched off: it would fall into one contender's round and not into
        another's.
        """
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


@contextmanager
def store(name: str, directory: Path, durability: Durability, core: int) -> Iterator[Store]:
    """Have a server within the block, once it answers.

    Args:
        name: Names its directory.
        directory: Where that is made; on a disk (`bench.disk.file_system`).
        durability: ``everysec`` confirms to the disk once a second, ``always`` before it answers.
        core: Where it runs.
    """
    own, port = directory / name, free_port()
    own.mkdir()
    command = _command(own, port, durability)
    client = Redis(port=port, protocol=2, socket_timeout=60.0, retry=Retry(NoBackoff(), 0))
    with running(name, command, own, [core]) as program:
        try:
            program.wait_for(lambda: _answers(client), "the answer to PING")
            yield Store(program, port, client)
        finally:
            client.close()


def _command(directory: Path, port: int, durability: Durability) -> list[str]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "save": "",
        "appendonly": "yes",
        "appendfsync": durability,
        "auto-aof-rewrite-percentage": "0",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    pairs = ((f"--{name}", value) for name, value in options.items())
    return [path_of("redis-server"), *(word for pair in pairs for word in pair)]


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
