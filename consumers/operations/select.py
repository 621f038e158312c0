"""Which entries an operation means.

Texts that a person wrote come in, a `Selection` goes out that says yes or no to one entry. Times
are entry ids, since those are what a stream is read by. Nothing here talks to the store.

Source: Redis Streams, "Entry IDs"; RFC 3339.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from relay.contract.errors import RelayError
from relay.contract.patterns import Pattern

# Both parts of an entry id have 64 bits.
LAST_NUMBER = 2**64 - 1
FIRST_ID = "0-0"
LAST_ID = f"{LAST_NUMBER}-{LAST_NUMBER}"

_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_AGO = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORMS = (
    "write how long ago (90s, 30m, 2h, 7d, 1w), a time with its zone (2026-10-12T09:14:00Z), "
    "or an entry's or letter's id (1791796448130-0)"
)


class BadSelection(RelayError):
    """What was asked for cannot be understood; the message says how to write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an operation means; what is left out leaves nothing out.

    Args:
        types: Event types, each with ``*`` for any run of characters; one of them must match.
        account: The account, exactly.
        since: First entry id that is meant.
        until: Last entry id that is meant.
        ids: Entry ids or event ids, of which the entry must have one.
        error: Text that the last error must hold, in upper or lower case.
        reason: Why it was set aside, exactly.
    """

    types: tuple[str, ...] = ()
    account: str | None = None
    since: str = FIRST_ID
    until: str = LAST_ID
    ids: frozenset[str] = frozenset()
    error: str | None = None
    reason: str | None = None

    def matches(self, entry_id: str, fields: Mapping[bytes, bytes]) -> bool:
        """Tell whether an entry is meant.

        Args:
            entry_id: Its id in the stream where it is found.
            fields: Its fields; only those that are asked about need be there.
        """
        return (
            in_order(self.since) <= in_order(entry_id) <= in_order(self.until)
            and self.account in {None, _text(fields, b"account")}
            and self.reason in {None, _text(fields, b"reason")}
            and self.means_type(_text(fields, b"type"))
            and self._has_id(entry_id, fields)
            and self._has_error(fields)
        )

    def means_type(self, event_type: str) -> bool:
        """Tell whether entries of a type can be meant."""
        patterns = (Pattern("*", glob) for glob in self.types)
        return not self.types or any(pattern.matches("", event_type) for pattern in patterns)

    def _has_id(self, entry_id: str, fields: Mapping[bytes, bytes]) -> bool:
        if not self.ids:
            return True
        return entry_id in self.ids or _text(fields, b"id") in self.ids

    def _has_error(self, fields: Mapping[bytes, bytes]) -> bool:
        if self.error is None:
            return True
        return self.error.casefold() in _text(fields, b"lasterror").casefold()


def since_of(text: str, now_ms: int) -> str:
    """Read where a range begins.

    Args:
        text: How long ago, a time, or an entry id, which is in the range itself.
        now_ms: The time by the store's clock, ms since the epoch.

    Returns:
        The first entry id in the range.

    Raises:
        BadSelection: The text is none of these.
    """
    return _entry_id(text) or f"{_moment_ms(text, now_ms)}-0"


def until_of(text: str, now_ms: int) -> str:
    """Read where a range ends; as `since_of`, but gives the last entry id in the range."""
    return _entry_id(text) or f"{_moment_ms(text, now_ms)}-{LAST_NUMBER}"


def in_order(entry_id: str) -> tuple[int, int]:
    """Give what entry ids are compared by."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


def before(entry_id: str) -> str:
    """Give the largest entry id that is smaller; ``0-0`` has none but itself."""
    ms, seq = in_order(entry_id)
    if seq:
        return f"{ms}-{seq - 1}"
    return f"{ms - 1}-{LAST_NUMBER}" if ms else FIRST_ID


def behind(entry_id: str) -> str:
    """Give the smallest entry id that is larger; the last possible one has none but itself."""
    ms, seq = in_order(entry_id)
    if seq < LAST_NUMBER:
        return f"{ms}-{seq + 1}"
    return f"{ms + 1}-0" if ms < LAST_NUMBER else LAST_ID


def _entry_id(text: str) -> str | None:
    found = _ENTRY_ID.fullmatch(text)
    if found is None:
        return None
    ms, seq = int(found[1]), int(found[2])
    if max(ms, seq) > LAST_NUMBER:
        raise BadSelection(f"{text!r} is no entry id: its numbers go up to {LAST_NUMBER}")
    return f"{ms}-{seq}"


def _moment_ms(text: str, now_ms: int) -> int:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, now_ms - 1000 * int(ago[1]) * _SECONDS[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadSelection(f"{text[:100]!r} is no time: {_FORMS}") from None
    if moment.tzinfo is None:
        raise BadSelection(f"{text!r} has no zone: add Z for UTC, or an offset such as +02:00")
    return max(0, int(moment.timestamp() * 1000))


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")
