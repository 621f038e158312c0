"""What an operator has paused: kept in one hash, written by commands and read by workers.

A field of the hash is ``<group> <pattern>``, its value a JSON object with ``since`` (ms since the
epoch), ``by`` and ``reason``. The field alone says what is paused, so a value that cannot be read
costs only the words about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from relay.contract.connect import text_of
from relay.contract.keys import is_name
from relay.contract.patterns import Pattern, parse_pattern
from relay.contract.stream import Stream

# Means every stream.
EVERYTHING = Pattern("*", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One thing that is paused.

    Args:
        group: Whose handlers begin no new run,
        pattern: on which streams.
        since_ms: Since when, ms since the epoch by the store's clock; 0 where nobody knows.
        by: Who paused it.
        reason: Why; may be empty.
    """

    group: str
    pattern: Pattern
    since_ms: int = 0
    by: str = ""
    reason: str = ""

    @property
    def field(self) -> str:
        """Its field in the hash."""
        return f"{self.group} {self.pattern}"

    @property
    def value(self) -> bytes:
        """Its value in the hash."""
        return msgspec.json.encode(_Words(self.since_ms, self.by, self.reason))

    def means(self, stream: Stream) -> bool:
        """Tell whether it pauses a stream; what a group is given again pauses with its type."""
        return self.pattern.matches(stream.endpoint, stream.event_type)


class _Words(msgspec.Struct):
    since: int = 0
    by: str = ""
    reason: str = ""


_decoder = msgspec.json.Decoder(_Words)


def read_pauses(fields: Mapping[bytes, bytes]) -> list[Pause]:
    """Read the hash; fields that are none of ours are passed over.

    Returns:
        Sorted by group and pattern.
    """
    found = (_read(text_of(name), value) for name, value in fields.items())
    return sorted((pause for pause in found if pause is not None), key=lambda pause: pause.field)


def _read(name: str, value: bytes) -> Pause | None:
    group, _, text = name.partition(" ")
    try:
        pattern = parse_pattern(text)
    except ValueError:
        return None
    if not is_name(group):
        return None
    try:
        words = _decoder.decode(value)
    except msgspec.MsgspecError:
        words = _Words()
    return Pause(
        group=group, pattern=pattern, since_ms=words.since, by=words.by, reason=words.reason
    )
