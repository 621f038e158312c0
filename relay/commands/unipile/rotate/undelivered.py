"""Events that would be lost if an endpoint were deleted now: it still tries, and the other has not.

Unipile's log of attempts comes in, event ids go out. Whether Unipile still tries it does not say,
so an event counts as long as its attempts have failed not long ago.

Source: https://github.com/unipile/unipile-node.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from relay.unipile import Conversation

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

SHORTEST_SECONDS = 3600


async def undelivered(
    api: "UnipileApi", leaving: str, staying: str, retry_seconds: int
) -> list[str]:
    """Give the ids of events that only the endpoint has which is to be deleted, undelivered.

    Args:
        api: Of Unipile.
        leaving: Id of the endpoint that is to be deleted.
        staying: Id of the other one.
        retry_seconds: For how long Unipile tries again; an hour at least is looked at.

    Raises:
        UnipileFailed: The log could not be read.
    """
    since = datetime.now(UTC) - timedelta(seconds=max(retry_seconds, SHORTEST_SECONDS))
    failed, _ = await _failed_and_delivered(api, leaving, since)
    if not failed:
        return []
    _, delivered = await _failed_and_delivered(api, staying, since)
    return [each for each in failed if each not in delivered]


async def _failed_and_delivered(
    api: "UnipileApi", endpoint_id: str, since: datetime
) -> tuple[list[str], set[str]]:
    """Give the events that no attempt has brought, and those that one has."""
    tried: dict[str, None] = {}
    delivered: set[str] = set()
    # An iterator made by yield can be closed; its annotation does not say so.
    async with aclosing(_attempts(api, endpoint_id, since)) as attempts:  # type: ignore[type-var]
        async for attempt in attempts:
            tried[attempt.event_id] = None
            if attempt.succeeded:
                delivered.add(attempt.event_id)
    return [each for each in tried if each not in delivered], delivered


async def _attempts(
    api: "UnipileApi", endpoint_id: str, since: datetime
) -> AsyncIterator[Conversation]:
    # Newest first, and by time alone: after however many others an event may still be tried.
    async for page in api.conversation_pages(endpoint_id):
        for attempt in page:
            if _is_before(attempt.created_at, since):
                return
            yield attempt


def _is_before(text: str, since: datetime) -> bool:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return False
    return at.tzinfo is not None and at < since
