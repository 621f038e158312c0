"""Stores whose time a test sets, with the append script over them: in memory, and real servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from unittest import mock

from fakeredis import FakeRedis, FakeServer
from redis import Redis

import tests.fakes  # noqa: F401 - mends the store in memory
from relay.append.script import SCRIPT, Verdict, call_arguments, pack, read_verdict
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED, Keys

KEYS = Keys()
TAG = "unipile"
TYPES = ("a", "b", "c")
# Far enough ahead that nothing of a test expires on a real server, whose own clock goes on.
START_MS = 4_000_000_000_000

ASKS_THE_TIME = "redis.call('TIME')"
READS_THE_TIME = "redis.call('MGET', 'test-seconds', 'test-microseconds')"
# A smaller id than the last is refused; so is the making of a stream.
TELLS_THE_TIME = """
redis.call('MSET', 'test-seconds', ARGV[1], 'test-microseconds', ARGV[2])
for _, stream in ipairs(KEYS) do
  local added = redis.pcall('XADD', stream, 'NOMKSTREAM', ARGV[3], 'no', 'event')
  if type(added) == 'string' then
    redis.call('XDEL', stream, added)
  end
end
"""


class Clocked(Protocol):
    """A store whose time is ``now_ms``."""

    client: Redis
    now_ms: int

    def append(self, *events: IdentifiedEvent) -> list[Verdict]:
        """Append a batch of one tag by one call of the script."""


class InMemory:
    """The store in memory; its expiries follow the time that is set."""

    def __init__(self) -> None:
        self.client: Redis = FakeRedis(server=FakeServer())
        self.now_ms = START_MS

    def append(self, *events: IdentifiedEvent) -> list[Verdict]:
        """Append a batch; see `Clocked`."""
        # The half keeps the ms what it is however the store rounds.
        with mock.patch("time.time", return_value=(self.now_ms + 0.5) / 1000):
            verdicts = run(self.client, SCRIPT.text, events)
            # A server looks for what has expired; this store waits until it is asked for.
            self.client.exists(*self.client.keys(), "test-none")
        return verdicts


class OnServer:
    """A real server; the script is told the time by two keys in the one place where it asks.

    Entry ids follow too: before each call the streams are made to have given an id of that time,
    as after a jump of the clock; ids of a time that is past go on from the last.
    """

    def __init__(self, client: Redis) -> None:
        assert SCRIPT.text.count(ASKS_THE_TIME) == 1
        self.client = client
        self.now_ms = START_MS
        self._text = SCRIPT.text.replace(ASKS_THE_TIME, READS_THE_TIME)
        self._streams = [KEYS.stream(TAG, name) for name in (*TYPES, UNIDENTIFIED)]
        for stream in self._streams:
            client.xdel(stream, client.xadd(stream, {"no": "event"}))

    def append(self, *events: IdentifiedEvent) -> list[Verdict]:
        """Append a batch; see `Clocked`."""
        seconds, ms = divmod(self.now_ms, 1000)
        told = (seconds, 1000 * ms, f"{self.now_ms}-0")
        self.client.eval(TELLS_THE_TIME, len(self._streams), *self._streams, *told)
        return run(self.client, self._text, events)


def run(client: Redis, text: str, events: tuple[IdentifiedEvent, ...]) -> list[Verdict]:
    """Make one call of a script for events of one tag."""
    packed = [pack(event, KEYS) for event in events]
    keys, arguments = call_arguments(TAG, packed, KEYS)
    replies: Any = client.eval(text, len(keys), *keys, *arguments)
    return [read_verdict(reply) for reply in replies]


@contextmanager
def spoilt(client: Redis, key: str) -> Iterator[None]:
    """Have a key of the wrong type in the place of another for the time of the block."""
    there = client.exists(key)
    if there:
        client.rename(key, "test-aside")
    client.set(key, "no hash")
    yield
    client.delete(key)
    if client.exists("test-aside"):
        client.rename("test-aside", key)
