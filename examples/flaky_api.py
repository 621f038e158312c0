"""Forwards messages to an HTTP API that is sometimes slow, busy or broken.

The same message is sent again after a failure, always with the same idempotency key, so the API
can tell that it has it already. What the API answers decides what becomes of the event.

    export CRM_URL=https://crm.example/api/ CRM_TOKEN=…
    relay worker examples.flaky_api:worker
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from consumers import Event, GiveUp, Rate, Retry, RetryLater, Worker

# For one request; the handler's own limit is a little above, so that this one speaks first.
REQUEST = aiohttp.ClientTimeout(total=10, connect=3)
# Whatever the API asks for: never at once, never in longer than an hour.
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 3600.0
USUAL_SECONDS = 30.0
# An operator must put a new token in place; the events are not to blame, so they wait for it.
LOCKED_OUT_SECONDS = 300.0

worker = Worker(group="crm-forwarder")


class Unavailable(Exception):
    """The API failed in a way that may be over soon."""


class Message(msgspec.Struct):
    """What the API is told of a message; the other fields stay here."""

    id: str
    chat_id: str
    timestamp: datetime
    text: str | None = None
    is_sender: bool = False


@worker.resource
async def crm() -> AsyncIterator[aiohttp.ClientSession]:
    """Open one client in a process: its connections are kept between requests."""
    headers = {"authorization": f"Bearer {os.environ['CRM_TOKEN']}"}
    async with aiohttp.ClientSession(
        os.environ["CRM_URL"], headers=headers, timeout=REQUEST
    ) as session:
        yield session


@worker.on(
    "unipile:message.new",
    payload_at="/payload",
    # Up to 107 minutes of failures; what the API puts off by itself may take a day.
    retry=Retry(
        attempts=20,
        max_age_seconds=86_400,
        on=(Unavailable, aiohttp.ClientError),
    ),
    timeout_seconds=15,
    rate_limit=Rate(20),
)
async def forward(event: Event, message: Message, crm: aiohttp.ClientSession) -> None:
    """Send a message to the API."""
    # The same key for each run of this event, and for no other event.
    headers = {"idempotency-key": event.identity, "content-type": "application/json"}
    body = msgspec.json.encode(message)
    try:
        # A redirect would take the token along.
        async with crm.post(
            "messages", data=body, headers=headers, allow_redirects=False
        ) as response:
            judge(response.status, response.headers.get("retry-after"))
    except TimeoutError:
        raise Unavailable("no answer in time") from None


def judge(status: int, retry_after: str | None) -> None:
    """Say by an exception what an answer means for the event; none where the API has it.

    The body is not looked at: it may quote what was sent, and errors are kept and shown.
    """
    if 200 <= status < 300:
        return
    if status in {429, 503}:
        raise RetryLater(seconds_to_wait(retry_after, datetime.now(UTC)), f"HTTP {status}")
    if status in {401, 403}:
        raise RetryLater(LOCKED_OUT_SECONDS, f"HTTP {status}: is CRM_TOKEN still good?")
    # 409: an earlier request with this key is still under way there.
    if status in {408, 409, 425} or not 400 <= status < 500:
        raise Unavailable(f"HTTP {status}")
    raise GiveUp(f"HTTP {status}: the API will not take this message")


def seconds_to_wait(retry_after: str | None, now: datetime) -> float:
    """Read ``Retry-After``: seconds or a date; whatever it says, the wait stays reasonable."""
    seconds = USUAL_SECONDS
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    elif retry_after is not None:
        try:
            at = parsedate_to_datetime(retry_after)
        except ValueError:
            return USUAL_SECONDS
        # A date whose zone is not known comes without one; HTTP's are in UTC.
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
