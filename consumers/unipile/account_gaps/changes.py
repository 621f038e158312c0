"""An event in, what it says of an account out: gone, back, or something else.

Never raises for what a sender may have written: a body that is no JSON says nothing but what
stands beside it.

Source: https://developer.unipile.com/v2.0/docs/status-lifecycle
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from consumers.event import Event
from relay.contract.accounts import KEPT_SECONDS

Kind = Literal["up", "down", "other"]

STATUS_TYPES = "account.status."
REMOVED_TYPE, REMOVED = "account.remove", "removed"
UP = "running"
DOWN = frozenset({"disconnected", "errored", "paused", "degraded", "partial"})
# A product's name is a word; what is longer is cut, so that it cannot fill a book.
MAX_PRODUCT_CHARACTERS = 64
# A sender's clock may be ahead of ours by as much as its signatures may. What lies further ahead is
# no time of anything that has happened: it would end a gap that has just begun, or keep one open.
MAX_AHEAD = timedelta(minutes=5)
KEPT = timedelta(seconds=KEPT_SECONDS)
# No account is older. What lies before is a clock that was never set, as 1970 or the year 1, and
# would count as too old to be told.
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """One status of an account.

    Args:
        account: Whose, never empty.
        at: When it became so, RFC 3339 in ms with Z; texts in the order of their times.
        since: A week before that, likewise.
        kind: What it means for gaps.
        status: The status, or ``removed``.
        product: Which product of the account; none for all of it.
    """

    account: str
    at: str
    since: str
    kind: Kind
    status: str
    product: str | None = None


def change_of(event: Event) -> Change | None:
    """Read what an event says; none where it names no account.

    The time is the payload's, else the event's, else that at which the event was received.

    Raises:
        UnreadableEntry: The entry itself cannot be read.
    """
    if not event.account:
        return None
    status = REMOVED if event.type == REMOVED_TYPE else event.type.removeprefix(STATUS_TYPES)
    kind: Kind = "up" if status == UP else "down" if status in DOWN else "other"
    payload = _payload_of(event)
    at = _time_of(event, payload)
    return Change(
        account=event.account,
        at=_written(at),
        since=_written(max(at, EARLIEST + KEPT) - KEPT),
        kind=kind,
        status=status,
        # All products of an account that runs are back: it names none.
        product=None if kind == "up" else _product_of(payload),
    )


def _payload_of(event: Event) -> dict[str, Any]:
    try:
        body = event.json()
    except (ValueError, RecursionError):
        return {}
    payload = body.get("payload") if isinstance(body, dict) else None
    return payload if isinstance(payload, dict) else {}


def _product_of(payload: dict[str, Any]) -> str | None:
    product = payload.get("product")
    if not isinstance(product, str):
        return None
    # JSON can hold half of a character that UTF-8 cannot write.
    return product[:MAX_PRODUCT_CHARACTERS].encode("utf-8", "replace").decode() or None


def _time_of(event: Event, payload: dict[str, Any]) -> datetime:
    received = _received(event)
    for text in (payload.get("timestamp"), event.time):
        at = _read(text)
        if at is not None and FIRST <= at <= min(received, LATEST - MAX_AHEAD) + MAX_AHEAD:
            return at
    return received


def _received(event: Event) -> datetime:
    """Say when it came, and no later than it was stored: a gateway's clock may be ahead, too."""
    stored_at = int(event.entry_id.partition("-")[0]) / 1000
    try:
        return datetime.fromtimestamp(max(0.0, min(event.received_at, stored_at)), UTC)
    except (OverflowError, ValueError, OSError):
        return LATEST


def _read(text: object) -> datetime | None:
    """Read a time, of UTC where it names no zone; none for what is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text.upper())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(at: datetime) -> str:
    """Write a time so that later ones are greater texts; what is less than a ms is left out."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
