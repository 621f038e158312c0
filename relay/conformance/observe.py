"""Looks from behind the receiver at what it has stored, where the operator lets us.

Marks come in, and how often each was stored goes out. Without an observer a receiver can be
judged only by what it answers.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from redis.asyncio import Redis

from relay.conformance.event import PREFIX
from relay.contract.connect import text_of
from relay.contract.keys import Keys, endpoint_of
from relay.contract.registry import known_tags, known_types

PAGE = 256
COMMAND_SECONDS = 30.0
_MARK = re.compile(PREFIX.encode() + rb"[0-9a-f]{8}-[a-z-]+-[0-9]{4}(?![0-9])")


class ObservingFailed(Exception):
    """The observer cannot say what was stored; the message says why."""


class Observer(Protocol):
    """Sees what a receiver has stored."""

    async def counts(self) -> Counter[str]:
        """Say how often each mark of this run was stored."""


class StoreObserver:
    """Reads the streams of the relay's contract.

    Args:
        redis: A client of the store.
        keys: Names the streams.
        endpoint: Whose.
        since: The id after which entries are this run's.
    """

    def __init__(self, redis: Redis, keys: Keys, endpoint: str, since: str) -> None:
        self._redis = redis
        self._keys = keys
        self._endpoint = endpoint
        self._since = since

    async def counts(self) -> Counter[str]:
        """Say how often each mark was stored."""
        found: Counter[str] = Counter()
        for tag in await known_tags(self._redis, self._keys):
            if endpoint_of(tag) == self._endpoint:
                for event_type in await known_types(self._redis, self._keys, tag):
                    await self._read(self._keys.stream(tag, event_type), found)
        return found

    async def _read(self, stream: str, found: Counter[str]) -> None:
        start = self._since
        while True:
            page: Any = await self._redis.xrange(stream, start, "+", count=PAGE)
            for _, fields in page:
                # Once for each entry, wherever in it the mark stands.
                found.update(set(marks_in([fields.get(b"id", b""), fields.get(b"data", b"")])))
            if len(page) < PAGE:
                return
            start = f"({text_of(page[-1][0])}"


class CommandObserver:
    """Runs a command that prints what the receiver has stored, an event a line.

    Args:
        words: The program and its arguments; no shell reads them.
    """

    def __init__(self, words: list[str]) -> None:
        self._words = words

    async def counts(self) -> Counter[str]:
        """Count the lines that hold each mark.

        Raises:
            ObservingFailed: The command cannot be run, fails, or does not end.
        """
        lines = (await run_command(self._words)).splitlines()
        return Counter(mark for line in lines for mark in set(marks_in([line])))


def marks_in(texts: Iterable[bytes]) -> Iterable[str]:
    """Find the marks in texts."""
    return (found.decode() for text in texts for found in _MARK.findall(text))


async def run_command(words: list[str]) -> bytes:
    """Run a command of the operator's, and give what it prints.

    Raises:
        ObservingFailed: It cannot be run, fails, or does not end.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise ObservingFailed(f"{words[0]} cannot be run: {error.strerror}") from None
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ObservingFailed(f"{words[0]} did not end within {COMMAND_SECONDS:g} s") from None
    if process.returncode:
        raise ObservingFailed(f"{words[0]} ended with {process.returncode}")
    return printed
