"""Made-up events of each kind of sender, in the sender's own shape; nothing in them is real.

A provider's name and a type come in; body and headers go out, with fresh ids and fresh times, but
without a signature. Of each type there is a file ``<type>.json``, or ``<type>.form`` with a line
``name=value`` for each field (a line that begins with a blank goes on with the one before), and,
where the sender says something in headers, ``<type>.headers`` with lines ``name: value``; names
of files are quoted as in a URL. In all of them ``$id``, ``$now`` and so on are filled in.

Source: https://developer.unipile.com/v2.0/reference/event-types-1, and the pages that a preset
names.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from string import Template
from urllib.parse import quote, unquote, urlencode
from uuid import uuid4

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
JSON, FORM, HEADERS = ".json", ".form", ".headers"
CONTENT_TYPES = {JSON: "application/json", FORM: "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Example:
    """A delivery that its sender has yet to sign.

    Args:
        id: New in each, for senders that name the event in a header.
        body: As the sender would send it.
        headers: What it says besides, names in lower case; one is the content type.
    """

    id: str
    body: bytes
    headers: dict[str, str]


@lru_cache
def example_types(provider: str) -> list[str]:
    """List the types that have an example; none where there is no such provider."""
    folder = files(__name__) / provider
    if not folder.is_dir():
        return []
    names = (file.name.rpartition(".") for file in folder.iterdir())
    return sorted(unquote(name) for name, dot, suffix in names if dot + suffix in CONTENT_TYPES)


def example(provider: str, event_type: str, at: datetime | None = None) -> bytes:
    """Make the body of an event that nobody has seen yet.

    Args:
        provider: A kind of sender, for example ``unipile``.
        event_type: The type it says; one without an example gets a small body all the same.
        at: When it happened; now by default.

    Returns:
        JSON or a form, as the sender would send it.
    """
    return make_example(provider, event_type, at).body


def make_example(
    provider: str,
    event_type: str,
    at: datetime | None = None,
    *,
    renamed: Mapping[str, str] | None = None,
) -> Example:
    """Make a delivery of an event that nobody has seen yet.

    Args:
        provider: A kind of sender, for example ``unipile``.
        event_type: The type it says; one without an example gets a small JSON body all the same.
        at: When it happened; now by default.
        renamed: What its outermost keys, or fields of a form, are called instead; by the names
            that its sender would use.
    """
    names = renamed or {}
    values = _values(at or datetime.now(UTC))
    if event_type not in example_types(provider):
        body = _compact(_named(_generic(event_type, values), names))
        return Example(values["id"], body, {"content-type": CONTENT_TYPES[JSON]})
    is_form = _template(provider, event_type, JSON) is None
    suffix = FORM if is_form else JSON
    text = _filled(provider, event_type, suffix, values)
    body = (
        urlencode([(_field_name(name, names), value) for name, value in _fields(text)]).encode()
        if is_form
        else _compact(_named(json.loads(text), names))
    )
    said = _headers(_filled(provider, event_type, HEADERS, values))
    return Example(values["id"], body, {"content-type": CONTENT_TYPES[suffix], **said})


def _filled(provider: str, event_type: str, suffix: str, values: dict[str, str]) -> str:
    template = _template(provider, event_type, suffix)
    return "" if template is None else template.substitute(values)


@lru_cache(1024)
def _template(provider: str, event_type: str, suffix: str) -> Template | None:
    file = files(__name__) / provider / f"{quote(event_type, safe='')}{suffix}"
    return Template(file.read_text("utf-8")) if file.is_file() else None


def _fields(text: str) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith(" "):
            name, value = fields.pop()
            fields.append((name, value + line.strip()))
        else:
            name, _, value = line.partition("=")
            fields.append((name, value))
    return fields


def _named(event: object, names: Mapping[str, str]) -> object:
    if not isinstance(event, dict):
        return event
    return {names.get(key, key): value for key, value in event.items()}


def _field_name(name: str, names: Mapping[str, str]) -> str:
    key, bracket, rest = name.partition("[")
    return names.get(key, key) + bracket + rest


def _headers(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _values(now: datetime) -> dict[str, str]:
    seconds = now.timestamp()
    text = _random_text(26)
    return {
        "id": f"evt_{text}",
        "text": text,
        "uuid": str(uuid4()),
        "hex": secrets.token_hex(16),
        "now": _time(now),
        "later": _time(now + timedelta(hours=1)),
        "now_seconds": str(int(seconds)),
        "now_ms": str(int(seconds * 1000)),
        # As text, and as a number, which begins with no zero.
        "number": f"{secrets.randbelow(10**12):012d}",
        "digits": str(10**11 + secrets.randbelow(9 * 10**11)),
    }


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
