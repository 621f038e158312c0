"""What any answer of ours looks like: JSON in a stable form, with an id, under our name.

Source: RFC 9457; docs/reference/http.md.
"""

import itertools
import os
from functools import lru_cache

import msgspec
from aiohttp import web

from relay.contract.errors import DeliveryRefused, MethodNotAllowed, TryLater

SERVER = "webhook-relay"
PROBLEM = "application/problem+json"

_boot = os.urandom(6).hex()
_numbers = itertools.count(1)


def request_id() -> str:
    """Make an id for one answer: unique within and across processes, and cheap."""
    return f"{_boot}-{next(_numbers):x}"


def problem(refusal: DeliveryRefused) -> web.Response:
    """Answer with problem details."""
    body, headers = problem_details(refusal)
    return json_answer(refusal.status, body, headers, PROBLEM)


def problem_details(refusal: DeliveryRefused) -> tuple[bytes, dict[str, str]]:
    """Give the body of an answer with problem details, and the headers that belong to it."""
    headers = {"relay-request-id": refusal.request_id or request_id()}
    if isinstance(refusal, TryLater):
        headers["retry-after"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, MethodNotAllowed):
        headers["allow"] = ", ".join(refusal.args)
    return _details(refusal.title, refusal.status, refusal.reason), headers


def state(status: int, values: dict[str, bool]) -> web.Response:
    """Answer who asks for a program's health."""
    return json_answer(status, msgspec.json.encode(values), {"relay-request-id": request_id()})


@lru_cache(maxsize=64)
def _details(title: str, status: int, reason: str) -> bytes:
    details = {"type": "about:blank", "title": title, "status": status, "reason": reason}
    return msgspec.json.encode(details)


def json_answer(
    status: int, body: bytes, headers: dict[str, str], content_type: str = "application/json"
) -> web.Response:
    """Answer with JSON.

    Args:
        status: The status.
        body: The JSON.
        headers: What else it says of itself.
        content_type: Where it is a kind of JSON.
    """
    # aiohttp would say its own name and release.
    headers["server"] = SERVER
    return web.Response(status=status, body=body, headers=headers, content_type=content_type)
