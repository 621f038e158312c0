"""Signed timestamps: how they are written, and whether they are too far from now.

The signature is judged before the age, so that a refusal for age alone means that the secret was
right.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.scheme import Unit
from relay.verify.family import refuse

# ASCII digits only: int() would take other alphabets' digits, signs and underscores too.
_FORMS = {
    "seconds": re.compile(r"[0-9]{1,12}"),
    "milliseconds": re.compile(r"[0-9]{1,15}"),
    "iso8601": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
        r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
    ),
}


def reader_of(unit: Unit) -> Callable[[str], int | None]:
    """Give what reads a timestamp: its text comes in, ms since the epoch or none go out."""
    form = _FORMS[unit].fullmatch

    def read(text: str) -> int | None:
        if not form(text):
            return None
        return _ms_of(text) if unit == "iso8601" else int(text) * (1000 if unit == "seconds" else 1)

    return read


def ms_of(text: str, unit: Unit) -> int:
    """Give a timestamp that was read before as ms since the epoch."""
    if unit == "seconds":
        return 1000 * int(text)
    return int(text) if unit == "milliseconds" else _ms_of(text) or 0


def written(at: int, unit: Unit) -> str:
    """Write a timestamp as a sender would.

    Args:
        at: Unix seconds.
        unit: How.
    """
    if unit == "iso8601":
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(at * (1000 if unit == "milliseconds" else 1))


def check_age(endpoint: Endpoint, signed_at_ms: int, delivery: Delivery) -> bool:
    """Refuse what was signed too long ago, or in the future.

    Returns:
        Whether it is late: older than the tolerance, but within the late tolerance.

    Raises:
        SignatureRefused: ``timestamp_too_old`` or ``timestamp_in_future``.
    """
    age_ms = delivery.received_at_ms - signed_at_ms
    if age_ms > 1000 * (endpoint.tolerance_seconds + endpoint.late_tolerance_seconds):
        refuse("timestamp_too_old")
    if age_ms < -1000 * endpoint.tolerance_seconds:
        refuse("timestamp_in_future")
    return age_ms > 1000 * endpoint.tolerance_seconds


def _ms_of(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
