"""Fetches the messages that came while an account was disconnected, beside those that come now.

While an account is down there are no webhooks of its messages. Both ends of the gap are noted from
its status events, in whichever order they come; once both are known, what was missed is fetched
from the API, a page at a time. A message is stored once, whether a webhook brings it or the API.

    pip install 'psycopg[binary,pool]'
    export DATABASE_URL=postgresql://… UNIPILE_API_KEY=…
    python -m examples.backfill.worker                  # makes the tables
    relay worker examples.backfill.worker:worker
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime

import aiohttp
import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool

from consumers import Event, Retry, Worker
from examples.backfill import gaps, lists
from examples.backfill.api import Message
from examples.backfill.fill import fill

worker = Worker(group="archive")


class Status(msgspec.Struct):
    """The payload of ``account.status.*``."""

    timestamp: datetime


@worker.resource
async def pool() -> AsyncIterator[AsyncConnectionPool]:
    """Open connections once in a process, and close them at its end."""
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, max_size=10) as pool:
        await pool.wait()  # a database that cannot be reached is said at start
        yield pool


@worker.resource
async def api() -> AsyncIterator[aiohttp.ClientSession]:
    """Open one client of the sender's API in a process."""
    async with aiohttp.ClientSession(
        os.environ.get("UNIPILE_API_URL", "https://api.unipile.com"),
        headers={"x-api-key": os.environ["UNIPILE_API_KEY"]},
        timeout=aiohttp.ClientTimeout(total=20, connect=5),
    ) as session:
        yield session


@worker.on("unipile:message.new", payload_at="/payload", timeout_seconds=10)
async def store_message(event: Event, message: Message, pool: AsyncConnectionPool) -> None:
    """Store a message that a webhook brings."""
    async with pool.connection() as connection:
        await lists.store(connection, event.account or "", [message])


@worker.on(
    "unipile:account.status.*",
    payload_at="/payload",
    retry=Retry(attempts=20, max_age_seconds=7 * 86_400),
    # A page takes far less; what is stored of the gap by then is not fetched again.
    timeout_seconds=300,
    concurrency=2,
)
async def note_status(
    event: Event, status: Status, pool: AsyncConnectionPool, api: aiohttp.ClientSession
) -> None:
    """Note a status of an account, and fill the gap that it begins or ends."""
    running = event.type == "account.status.running"
    async with pool.connection() as connection:
        gap = await gaps.note(connection, event.account or "", status.timestamp, running=running)
    if gap is not None:
        await fill(gap, pool, api)


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        database.execute(gaps.TABLES + lists.TABLES)
