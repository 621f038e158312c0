"""What a sender is told: short, in stable words, silent about internals.

Senders keep response bodies, so nothing of the delivery is repeated in them.

Source: RFC 9457; docs/reference/http.md.
"""

import hashlib

from aiohttp import web

from relay.contract.errors import DeliveryRefused
from relay.contract.event import Appended, Duplicate, Spooled
from relay.handshake import Answered
from relay.http.answers import SERVER, json_answer, problem, request_id
from relay.pipeline import Accepted, Filtered

_STORED = '{"received":true}'
_DUPLICATE = '{"received":true,"duplicate":true}'
_SPOOLED = '{"received":true,"spooled":true}'
_FILTERED = '{"received":true,"filtered":true}'
_TEXTS = {Appended: _STORED, Duplicate: _DUPLICATE, Spooled: _SPOOLED, Filtered: _FILTERED}


def answer(outcome: Accepted | Answered | DeliveryRefused) -> web.Response:
    """Say what became of a delivery."""
    if isinstance(outcome, DeliveryRefused):
        return problem(outcome)
    if isinstance(outcome, Answered):
        return _handshake(outcome)
    text = text_of(outcome)
    headers = {"relay-request-id": request_id(), "relay-event-id": header_safe(outcome.event_id)}
    if entry_id := entry_id_of(outcome):
        headers["relay-entry-id"] = entry_id
    return json_answer(200, text.encode(), headers)


def _handshake(answered: Answered) -> web.Response:
    """Answer a handshake, so that no browser takes a stranger's text for a page."""
    headers = {
        "relay-request-id": request_id(),
        "server": SERVER,
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        **answered.headers,
    }
    if answered.content_type is None:
        return web.Response(status=answered.status, headers=headers)
    return web.Response(
        status=answered.status,
        body=answered.body,
        headers=headers,
        content_type=answered.content_type,
        charset="utf-8",
    )


def text_of(done: Accepted) -> str:
    """Give the body of a 200: the event is stored, was stored before, waits, or is not wanted."""
    return _TEXTS[type(done.result)]


def entry_id_of(done: Accepted) -> str | None:
    """Give the id of the event's entry, where it has one by now."""
    result = done.result
    return result.entry_id if isinstance(result, (Appended, Duplicate)) else None


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
