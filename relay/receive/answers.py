"""What a sender is told: short, in stable words, silent about internals.

Senders keep response bodies, so nothing of the delivery is repeated in them.

Source: RFC 9457; docs/reference/http.md.
"""

import hashlib
import itertools
import os
import re

import msgspec
from aiohttp import web

from relay.contract.errors import DeliveryRefused, MethodNotAllowed, TryLater
from relay.contract.event import Duplicate
from relay.pipeline import Accepted, Filtered

_STORED = b'{"received":true}'
_DUPLICATE = b'{"received":true,"duplicate":true}'
_FILTERED = b'{"received":true,"filtered":true}'
_PRINTABLE = re.compile(r"[!-~]([ -~]{0,254}[!-~])?")

_boot = os.urandom(6).hex()
_numbers = itertools.count(1)


def request_id() -> str:
    """Make an id for one answer: unique within and across processes, and cheap."""
    return f"{_boot}-{next(_numbers):x}"


def accepted(done: Accepted, request: str) -> web.Response:
    """Answer 200: the event is stored, was stored before, or is not wanted."""
    headers = {"relay-request-id": request, "relay-event-id": header_safe(done.event_id)}
    if isinstance(done.result, Filtered):
        return _json(200, _FILTERED, headers)
    headers["relay-entry-id"] = done.result.entry_id
    body = _DUPLICATE if isinstance(done.result, Duplicate) else _STORED
    return _json(200, body, headers)


def problem(refusal: DeliveryRefused, request: str) -> web.Response:
    """Answer with problem details."""
    headers = {"relay-request-id": request}
    if isinstance(refusal, TryLater):
        headers["retry-after"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, MethodNotAllowed):
        headers["allow"] = ", ".join(refusal.args)
    details = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "reason": refusal.reason,
    }
    return _json(refusal.status, msgspec.json.encode(details), headers, "application/problem+json")


def header_safe(event_id: str) -> str:
    """Give an event id as it may stand in a header.

    Returns:
        The id; or ``sha256:…`` of it where it is over 256 bytes or not printable ASCII, so that
        a sender's text never breaks a header.
    """
    if _PRINTABLE.fullmatch(event_id):
        return event_id
    return f"sha256:{hashlib.sha256(event_id.encode()).hexdigest()}"


def _json(
    status: int, body: bytes, headers: dict[str, str], content_type: str = "application/json"
) -> web.Response:
    return web.Response(status=status, body=body, headers=headers, content_type=content_type)
