"""Reads what one side costs: memory of its index, CPU of its store.

A running store comes in, bytes and nanoseconds go out. What the reading itself costs the store is
taken out of its account, and so is the emptying of the stream.
"""

import time
from dataclasses import dataclass

from bench.cpu import threads_ns
from bench.holds.index.sides import STREAM, Side

_FORGOTTEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a side.

    Args:
        index_bytes: Memory that its index takes.
        cpu_ns: CPU time that its store has spent on the events until now.
    """

    index_bytes: int
    cpu_ns: int


class Gauge:
    """Looks at one side.

    Args:
        side: Which.
        pid: Of its store.
    """

    def __init__(self, side: Side, pid: int) -> None:
        self._side = side
        self._pid = pid
        self._own_ns = 0
        self._base_bytes = 0

    def settle(self) -> None:
        """Take what the store has before anything is remembered as nothing.

        One event is appended and forgotten first, so that stream, books, buffers and the script
        are there.
        """
        deadline = time.monotonic() + _FORGOTTEN_SECONDS
        self.read()
        while self._side.redis.keys(self._side.marks()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._side.name}: the first id was not forgotten in time")
            time.sleep(0.1)
        self.read()
        self._base_bytes = self._used_bytes()
        self._own_ns = threads_ns(self._pid)

    def read(self) -> Reading:
        """Empty the stream and look."""
        before = threads_ns(self._pid)
        self._side.redis.xtrim(STREAM, maxlen=0, approximate=False)
        used = self._used_bytes()
        after = threads_ns(self._pid)
        reading = Reading(used - self._base_bytes, before - self._own_ns)
        self._own_ns += after - before
        return reading

    def _used_bytes(self) -> int:
        """Give what the store uses, but for the stream and for the buffers of connections."""
        memory = self._side.redis.info("memory")
        stream = self._side.redis.memory_usage(STREAM, samples=0) or 0
        return int(memory["used_memory"]) - int(memory["mem_clients_normal"]) - int(stream)
