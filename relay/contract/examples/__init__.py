"""Made-up events of each kind of sender, in the sender's own shape; nothing in them is real.

A provider's name and a type come in, the bytes of a body go out, with a fresh id and fresh times.

Source: https://developer.unipile.com/v2.0/reference/event-types-1
"""

import json
import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from string import Template

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@lru_cache
def example_types(provider: str) -> list[str]:
    """List the types that have an example."""
    folder = files(__name__) / provider
    return sorted(
        file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")
    )


def example(provider: str, event_type: str, at: datetime | None = None) -> bytes:
    """Make the body of an event that nobody has seen yet.

    Args:
        provider: A kind of sender, for example ``unipile``.
        event_type: The type it says; one without an example gets a small body all the same.
        at: When it happened; now by default.

    Returns:
        JSON, as the sender would send it.
    """
    now = at or datetime.now(UTC)
    values = {
        "id": f"evt_{_random_text(26)}",
        "now": _time(now),
        "later": _time(now + timedelta(hours=1)),
        "number": f"{secrets.randbelow(10**12):012d}",
    }
    if event_type not in example_types(provider):
        return _compact(_generic(event_type, values))
    return _compact(json.loads(Template(_text(provider, event_type)).substitute(values)))


@lru_cache
def _text(provider: str, event_type: str) -> str:
    return (files(__name__) / provider / f"{event_type}.json").read_text("utf-8")


def _generic(event_type: str, values: dict[str, str]) -> dict[str, object]:
    return {
        "id": values["id"],
        "created_at": values["now"],
        "account_id": "acc_example000000000000000000001",
        "type": event_type,
        "payload": {"id": values["number"], "timestamp": values["now"]},
    }


def _compact(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _random_text(length: int) -> str:
    # As many letters as five bits tell apart: each byte gives one, all as likely.
    return "".join(ID_ALPHABET[byte % 32] for byte in secrets.token_bytes(length))
