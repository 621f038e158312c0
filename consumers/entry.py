"""An entry of a stream that this process holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from consumers.lease import UNBOUNDED, Lease
from relay.contract.keys import member
from relay.contract.stream import Stream


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the books know of an entry that failed before.

    Args:
        attempts: How many runs have failed.
        first_error: Error of the first of them.
    """

    attempts: int = 0
    first_error: str = ""

    def after(self, error: str) -> "History":
        """Add a failed run."""
        # An exception's message may hold what UTF-8 cannot write.
        text = error.encode("utf-8", "replace").decode()
        return History(self.attempts + 1, self.first_error or text)


_history_decoder = msgspec.json.Decoder(History)


def read_history(value: bytes | str | None) -> History:
    """Read the books' field; an unreadable one counts as no history."""
    if not value:
        return History()
    try:
        return _history_decoder.decode(value)
    except msgspec.MsgspecError:
        return History()


def written(history: History) -> bytes:
    """Write the books' field."""
    return msgspec.json.encode(history)


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An entry that is pending under this process.

    Args:
        stream: Where it stands.
        entry_id: Its id there.
        fields: Its fields, as read.
        history: What happened to it before.
        lease: Whether it is still this process's.
        lane: Name of its lane in an ordered stream; empty where there is no order.
    """

    stream: Stream
    entry_id: str
    fields: Mapping[bytes, bytes]
    history: History = field(default_factory=History)
    lease: Lease = UNBOUNDED
    lane: str = ""

    @property
    def member(self) -> str:
        """Its name in the group's books."""
        return member(self.entry_id, self.stream.event_type)

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
        """When it was appended, by the store's clock."""
        return int(self.entry_id.partition("-")[0])


def fields_of(flat: Sequence[Any]) -> dict[bytes, bytes]:
    """Pair up the names and values of a raw reply."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
