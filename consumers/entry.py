"""An entry of a stream that this process holds."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from consumers.lease import UNBOUNDED, Lease
from consumers.suspects.suspicion import INNOCENT, Suspicion
from relay.contract.keys import member
from relay.contract.stream import Stream

ENTRY_ID = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}")


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the books know of an entry that failed before.

    Args:
        attempts: How many runs there were, none of which settled it.
        first_error: Error of the first that failed.
        postponed: How many of them asked for another time and have not failed.
        first_seen: When the first of them began, seconds since the epoch; 0 where nobody knows.
    """

    attempts: int = 0
    first_error: str = ""
    postponed: int = 0
    first_seen: float = 0.0

    def after(self, error: str) -> "History":
        """Add a failed run."""
        # An exception's message may hold what UTF-8 cannot write.
        text = error.encode("utf-8", "replace").decode()
        return msgspec.structs.replace(
            self, attempts=self.attempts + 1, first_error=self.first_error or text
        )

    def after_postponing(self) -> "History":
        """Add a run that asked for another time."""
        return msgspec.structs.replace(
            self, attempts=self.attempts + 1, postponed=self.postponed + 1
        )


_history_decoder = msgspec.json.Decoder(History)


def read_history(value: bytes | str | None) -> History:
    """Read the books' field; an unreadable one counts as no history."""
    if not value:
        return NO_HISTORY
    try:
        return _history_decoder.decode(value)
    except msgspec.MsgspecError:
        return NO_HISTORY


def written(history: History) -> bytes:
    """Write the books' field."""
    return msgspec.json.encode(history)


# Frozen, so that all entries may share it.
NO_HISTORY = History()


class HeldEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry that is pending under this process.

    Python's collector need not look at it: nothing that it holds leads back to it.

    Args:
        stream: Where it stands.
        entry_id: Its id there.
        fields: Its fields, as read.
        history: What happened to it before.
        lease: Whether it is still this process's.
        lane: Name of its lane in an ordered stream; empty where there is no order.
        suspicion: What speaks against it: processes that died while they held it.
    """

    stream: Stream
    entry_id: str
    fields: Mapping[bytes, bytes]
    history: History = NO_HISTORY
    lease: Lease = UNBOUNDED
    lane: str = ""
    suspicion: Suspicion = INNOCENT

    @property
    def member(self) -> str:
        """Its name in the group's books."""
        return member(self.entry_id, self.stream.book_name)

    @property
    def origin_id(self) -> str:
        """The id that it had in its type's stream: its own, unless it is given again."""
        if not self.stream.again:
            return self.entry_id
        told = self.fields.get(b"entryid", b"")
        return told.decode() if ENTRY_ID.fullmatch(told) else self.entry_id

    def seen(self, first_seen: float) -> "HeldEntry":
        """Note when its first run began, where that is not known yet."""
        if self.history.first_seen:
            return self
        history = msgspec.structs.replace(self.history, first_seen=first_seen)
        return msgspec.structs.replace(self, history=history)

    @property
    def lane_member(self) -> str:
        """Its name in the store's lanes: by its lane, then by age."""
        return f"{self.lane}|{self.member.partition('|')[0]}"

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return sum(map(len, self.fields.values()))

    @property
    def stored_at_ms(self) -> int:
        """When the event was appended, by the store's clock."""
        return int(self.origin_id.partition("-")[0])


def fields_of(flat: Sequence[Any]) -> dict[bytes, bytes]:
    """Pair up the names and values of a raw reply."""
    parts = iter(flat)
    # The same iterator twice: each pair takes a name and then its value.
    return dict(zip(parts, parts, strict=True))
