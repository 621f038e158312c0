"""The sender's own API: lists in pages, newest first, and what its answers mean for an event.

Source: https://developer.unipile.com/v2.0/reference/get_v2-account-id-chats
"""

from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from consumers import RetryLater

PAGE_SIZE = 100
# Where the API does not say when to come back; and the longest that it may ask for.
BUSY_SECONDS, LONGEST_SECONDS = 60, 3600
# Until somebody has authenticated the account again, or put another key in place.
LOCKED_OUT_SECONDS = 300
Position = dict[str, str]


class Unavailable(Exception):
    """The API failed in a way that may be over soon."""


class Item(msgspec.Struct):
    """What every list is made of."""

    id: str


class Message(Item):
    """A message, in the form that webhooks and lists have in common."""

    chat_id: str
    timestamp: datetime
    text: str | None = None


class Chat(Item):
    """A chat, and when its last message came."""

    last_message_timestamp: datetime | None = None


ItemT = TypeVar("ItemT", bound=Item)


class Page(msgspec.Struct, Generic[ItemT]):
    """One page of a list."""

    data: list[ItemT]
    next_cursor: str | None = None

    def next_position(self, position: Position) -> Position | None:
        """Say where the next page begins; none where this one is the last.

        Args:
            position: Where this one began. Some providers have cursors, the others offsets.
        """
        if self.next_cursor:
            return {"cursor": self.next_cursor}
        # Where offsets mean nothing, the same page would come for ever.
        again = bool(self.data) and self.data[0].id == position.get("first")
        if "cursor" in position or again or len(self.data) < PAGE_SIZE:
            return None
        offset = int(position.get("offset", "0")) + len(self.data)
        return {"offset": str(offset), "first": self.data[0].id}


def time_of(at: datetime) -> str:
    """Write a time as the API takes it: ``YYYY-MM-DDTHH:MM:SS.sssZ``."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


async def get_chats(api: aiohttp.ClientSession, account: str, position: Position) -> Page[Chat]:
    """List an account's chats, the one with the latest message first."""
    return await _page(api, f"/v2/{_word(account)}/chats", Page[Chat], position)


async def get_messages(
    api: aiohttp.ClientSession, account: str, chat: str, query: dict[str, str]
) -> Page[Message]:
    """List a chat's messages, the latest first."""
    path = f"/v2/{_word(account)}/chats/{_word(chat)}/messages"
    return await _page(api, path, Page[Message], query)


def _word(text: str) -> str:
    return quote(text, safe="")


async def _page(
    api: aiohttp.ClientSession, path: str, kind: type[Page[Any]], query: dict[str, str]
) -> Page[Any]:
    params = {"limit": str(PAGE_SIZE), **query}
    params.pop("first", None)  # ours
    async with api.get(path, params=params, allow_redirects=False) as response:
        _judge(response.status, response.headers.get("retry-after", ""))
        # A chat that was deleted meanwhile has no messages.
        body = b'{"data":[]}' if response.status == 404 else await response.read()
    page: Page[Any] = msgspec.json.decode(body, type=kind)
    return page


def _judge(status: int, retry_after: str) -> None:
    if status in {200, 404}:
        return
    if status in {429, 503}:
        asked = int(retry_after[:9]) if retry_after.isascii() and retry_after.isdigit() else None
        seconds = BUSY_SECONDS if asked is None else min(max(asked, 1), LONGEST_SECONDS)
        raise RetryLater(seconds, f"the API is busy: HTTP {status}")
    if status in {401, 403}:
        raise RetryLater(LOCKED_OUT_SECONDS, f"the API refuses the account or key: HTTP {status}")
    raise Unavailable(f"HTTP {status}")
