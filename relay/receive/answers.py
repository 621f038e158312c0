"""What a sender is told: short, in stable words, silent about internals.

Senders keep response bodies, so nothing of the delivery is repeated in them.

Source: RFC 9457; docs/reference/http.md.
"""

import hashlib
import itertools
import os

import msgspec
from aiohttp import web

from relay.contract.errors import DeliveryRefused, MethodNotAllowed, TryLater
from relay.contract.event import Duplicate
from relay.pipeline import Accepted, Filtered

SERVER = "webhook-relay"

_STORED = '{"received":true}'
_DUPLICATE = '{"received":true,"duplicate":true}'
_FILTERED = '{"received":true,"filtered":true}'

_boot = os.urandom(6).hex()
_numbers = itertools.count(1)


def request_id() -> str:
    """Make an id for one answer: unique within and across processes, and cheap."""
    return f"{_boot}-{next(_numbers):x}"


def answer(outcome: Accepted | DeliveryRefused) -> web.Response:
    """Say what became of a delivery."""
    if isinstance(outcome, DeliveryRefused):
        return problem(outcome)
    text = text_of(outcome)
    headers = {"relay-request-id": request_id(), "relay-event-id": header_safe(outcome.event_id)}
    if not isinstance(outcome.result, Filtered):
        headers["relay-entry-id"] = outcome.result.entry_id
    return _json(200, text.encode(), headers)


def text_of(done: Accepted) -> str:
    """Give the body of a 200: the event is stored, was stored before, or is not wanted."""
    if isinstance(done.result, Filtered):
        return _FILTERED
    return _DUPLICATE if isinstance(done.result, Duplicate) else _STORED


def problem(refusal: DeliveryRefused) -> web.Response:
    """Answer with problem details."""
    headers = {"relay-request-id": request_id()}
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


def state(status: int, values: dict[str, bool]) -> web.Response:
    """Answer who asks for the gateway's health."""
    return _json(status, msgspec.json.encode(values), {"relay-request-id": request_id()})


def header_safe(event_id: str) -> str:
    """Give an event id as it may stand in a header.

    Returns:
        The id; or ``sha256:…`` of it where it is over 256 bytes or not printable ASCII, so that
        a sender's text never breaks a header.
    """
    if (
        0 < len(event_id) <= 256
        and event_id.isascii()
        and event_id.isprintable()
        and event_id.strip() == event_id
    ):
        return event_id
    return f"sha256:{hashlib.sha256(event_id.encode()).hexdigest()}"


def _json(
    status: int, body: bytes, headers: dict[str, str], content_type: str = "application/json"
) -> web.Response:
    # aiohttp would say its own name and release.
    headers["server"] = SERVER
    return web.Response(status=status, body=body, headers=headers, content_type=content_type)
