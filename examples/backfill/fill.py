"""A gap in, its messages stored: reads the API's lists page by page.

What a page holds and where the next one begins are stored in one transaction, so a run that ends
anywhere loses nothing, and the next one goes on where it was.
"""

import aiohttp
from psycopg_pool import AsyncConnectionPool

from consumers import RetryLater
from examples.backfill import lists
from examples.backfill.api import Position, get_chats, get_messages, time_of
from examples.backfill.gaps import Gap

# A long gap takes many runs: each ends well within its time and makes room for other accounts.
PAGES_PER_RUN = 50
GO_ON_SECONDS = 1.0


async def fill(gap: Gap, pool: AsyncConnectionPool, api: aiohttp.ClientSession) -> None:
    """Fetch and store what is still missing.

    Raises:
        RetryLater: There is more, or the API is busy.
    """
    async with pool.connection() as connection:
        await lists.add(connection, gap, [lists.CHATS])
    for _ in range(PAGES_PER_RUN):
        # No connection is held while the API is asked.
        async with pool.connection() as connection:
            unread = await lists.next_unread(connection, gap)
        if unread is None:
            return
        chat, position = unread
        if chat == lists.CHATS:
            await fill_chats(gap, position, pool, api)
        else:
            await fill_messages(gap, chat, position, pool, api)
    raise RetryLater(GO_ON_SECONDS, "there is more to fetch")


async def fill_chats(
    gap: Gap, position: Position, pool: AsyncConnectionPool, api: aiohttp.ClientSession
) -> None:
    """Note one page of chats that may have messages in the gap."""
    page = await get_chats(api, gap.account, position)
    times = [chat.last_message_timestamp for chat in page.data]
    in_gap = [
        chat.id for chat, at in zip(page.data, times, strict=True) if not at or at > gap.since
    ]
    # Latest first: where one is older than the gap, all that follow are.
    ended = any(at and at <= gap.since for at in times)
    async with pool.connection() as connection:
        await lists.add(connection, gap, in_gap)
        following = None if ended else page.next_position(position)
        await lists.go_on(connection, gap, lists.CHATS, following)


async def fill_messages(
    gap: Gap, chat: str, position: Position, pool: AsyncConnectionPool, api: aiohttp.ClientSession
) -> None:
    """Store one page of a chat's messages."""
    bounds = {"after": time_of(gap.since), "before": time_of(gap.until)}
    page = await get_messages(api, gap.account, chat, bounds | position)
    # Latest first; looked at here too, should a provider not know the bounds.
    ended = any(message.timestamp <= gap.since for message in page.data)
    async with pool.connection() as connection:
        await lists.store(connection, gap.account, page.data)
        following = None if ended else page.next_position(position)
        await lists.go_on(connection, gap, chat, following)
