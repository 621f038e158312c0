"""What accounts have been through, in any order, and what must be known of it afterwards.

Written from the rules alone: all that was told is sorted by time and walked through, a product at a
time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from relay.contract.event import Event

BEGIN = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
UP, DOWN = "running", ("disconnected", "errored", "paused", "degraded", "partial")
OTHER = ("connecting", "initial")
PRODUCTS = (None, "classic", "recruiter")
# Product, when it opened, when it closed.
Interval = tuple[str | None, str, str]


@dataclass(frozen=True)
class Told:
    """One status of one account.

    Args:
        account: Whose.
        at: Seconds since `BEGIN`.
        status: As in the type.
        product: Which product, if any.
    """

    account: str
    at: float
    status: str
    product: str | None = None

    @property
    def moment(self) -> str:
        """The time as events have it."""
        return moment(self.at)

    def event(self, event_id: str = "evt_1", endpoint: str = "unipile", **changes: object) -> Event:
        """Make the event of it, as version 2 sends it."""
        payload = {"timestamp": self.moment}
        if self.product is not None:
            payload["product"] = self.product
        kind = f"account.status.{self.status}"
        body = {"id": event_id, "type": kind, "account_id": self.account, "payload": payload}
        values = {
            "id": event_id,
            "source": f"/webhooks/{endpoint}",
            "type": kind,
            "data": msgspec.json.encode(body),
            "received_at_ms": int(1000 * (BEGIN.timestamp() + self.at)) + 700,
            "assurance": "body",
            "time": moment(self.at + 0.3),
            "account": self.account,
        }
        return Event(**(values | changes))  # type: ignore[arg-type]


def moment(at: float) -> str:
    """Write a time, given in seconds since `BEGIN`."""
    text = (BEGIN + timedelta(seconds=at)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def gaps_of(told: Iterable[Told]) -> set[Interval]:
    """Give the gaps of one account that have closed."""
    return {gap for gap in _walked(told) if gap[2]}  # type: ignore[misc]


def open_of(told: Iterable[Told]) -> set[tuple[str | None, str]]:
    """Give the gaps of one account that have not."""
    return {gap[:2] for gap in _walked(told) if not gap[2]}


def status_of(told: Iterable[Told]) -> tuple[str, str | None]:
    """Give the last status of one account; of one moment, one that it is away comes last."""
    last = max(told, key=lambda each: (each.at, _rank(each), each.status, each.product or ""))
    return last.status, last.product


def is_covered(gap: Interval, announced: Iterable[Interval]) -> bool:
    """Tell whether something that was announced takes in all of a gap."""
    product, opened, closed = gap
    return any(
        product == other and begin <= opened and closed <= end for other, begin, end in announced
    )


def _rank(told: Told) -> int:
    return 0 if told.status == UP else 2 if told.status in DOWN else 1


def _walked(told: Iterable[Told]) -> set[tuple[str | None, str, str | None]]:
    everything = list(told)
    found: set[tuple[str | None, str, str | None]] = set()
    for product in {each.product for each in everything if each.status in DOWN}:
        opened: str | None = None
        meant = [
            each
            for each in everything
            if each.status == UP or (each.status in DOWN and each.product == product)
        ]
        for each in sorted(meant, key=lambda each: (each.at, _rank(each))):
            if each.status != UP:
                opened = opened or each.moment
            elif opened:
                found.add((product, opened, each.moment))
                opened = None
        if opened:
            found.add((product, opened, None))
    return found
