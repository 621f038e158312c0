"""The two ways to remember ids, each before a store of its own.

A batch of numbers comes in, a script call goes out. Neither knows what is measured.
"""

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from bench.holds.numbered import body, event_id
from bench.unipile import ACCOUNT, EVENT_TYPE
from relay.append.script import SCRIPT, call_arguments, pack
from relay.contract.entry import encode
from relay.contract.event import Event, IdentifiedEvent
from relay.contract.keys import Keys

KEYS = Keys()
TAG = "unipile"
STREAM = KEYS.stream(TAG, EVENT_TYPE)


def make_event(number: int) -> Event:
    """Make an event as the gateway would, of about 0.7 KB."""
    return Event(
        id=event_id(number),
        source="/webhooks/unipile",
        type=EVENT_TYPE,
        data=body(number),
        received_at_ms=time.time_ns() // 1_000_000,
        assurance="body",
        time="2026-10-12T09:14:07.512Z",
        content_type="application/json",
        account=ACCOUNT,
        headers={"content-type": "application/json", "user-agent": "bench"},
    )


class Side(ABC):
    """One way to remember ids.

    Args:
        redis: Its store.
        window_seconds: How long each id is remembered.
    """

    name: str

    def __init__(self, redis: Redis, window_seconds: float) -> None:
        self.redis: Any = redis
        self._window_seconds = window_seconds

    @cached_property
    @abstractmethod
    def text(self) -> str:
        """The script."""

    @abstractmethod
    def call(self, numbers: Sequence[int]) -> tuple[Sequence[str], Sequence[str | bytes | float]]:
        """Give keys and arguments of the call that appends these events."""

    @abstractmethod
    def marks(self) -> str:
        """Give the pattern of the keys that remember."""

    def append(self, numbers: Sequence[int]) -> None:
        """Append these events.

        Raises:
            ValueError: One was not stored; the message has what the script said.
        """
        keys, arguments = self.call(numbers)
        try:
            replies = self.redis.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            replies = self.redis.eval(self.text, len(keys), *keys, *arguments)
        for reply in replies:
            if not self.is_stored(reply):
                raise ValueError(f"{self.name}: {reply!r}")

    @abstractmethod
    def is_stored(self, reply: bytes) -> bool:
        """Tell whether a reply says that the event was new and is stored."""

    @cached_property
    def _sha(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Relay(Side):
    """The relay's script, called as its gateway calls it."""

    name = "relay"

    @cached_property
    def text(self) -> str:
        """The script."""
        return SCRIPT.text

    def call(self, numbers: Sequence[int]) -> tuple[Sequence[str], Sequence[str | bytes | float]]:
        """Give keys and arguments."""
        batch = [
            pack(
                IdentifiedEvent(
                    event=make_event(number),
                    tag=TAG,
                    identity=event_id(number).encode(),
                    window_seconds=int(self._window_seconds),
                ),
                KEYS,
            )
            for number in numbers
        ]
        return call_arguments(TAG, batch, KEYS)

    def marks(self) -> str:
        """Give the pattern."""
        return "*@seen*"

    def is_stored(self, reply: bytes) -> bool:
        """Tell whether the event was appended."""
        return reply.startswith(b"A ")


class Plain(Side):
    """A key per id."""

    name = "plain"

    @cached_property
    def text(self) -> str:
        """The script."""
        return files(__package__).joinpath("plain.lua").read_text("utf-8")

    def call(self, numbers: Sequence[int]) -> tuple[Sequence[str], Sequence[str | bytes | float]]:
        """Give keys and arguments."""
        keys, arguments = [STREAM], [int(1000 * self._window_seconds)]
        words: list[str | bytes | float] = list(arguments)
        for number in numbers:
            keys.append(f"seen:{{{TAG}}}:{event_id(number)}")
            fields = encode(make_event(number))
            words.append(len(fields))
            words += fields
        return keys, words

    def marks(self) -> str:
        """Give the pattern."""
        return "seen:*"

    def is_stored(self, reply: bytes) -> bool:
        """Tell whether there is an entry id; ids are never sent twice."""
        return b"-" in reply
