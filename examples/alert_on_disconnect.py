"""Tells a chat when an account drops out, once, and again when it is back.

Status events repeat, and come in no promised order: each type has a stream of its own. So the last
status is kept with its time, an older event changes nothing, and only the event that has changed
it speaks. Whether that one has spoken already is remembered by `event.once`.

    pip install 'psycopg[binary,pool]'
    export DATABASE_URL=postgresql://… CHAT_WEBHOOK_URL=https://…   # takes {"text": …}
    python -m examples.alert_on_disconnect              # makes the table
    relay worker examples.alert_on_disconnect:worker
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from html import escape

import aiohttp
import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool

from consumers import Event, Retry, Worker

# An account that nobody has spoken of yet counts as running: it is no news that it runs.
TABLES = """
CREATE TABLE IF NOT EXISTS account_status (
    account text PRIMARY KEY,
    status text NOT NULL DEFAULT 'running',
    seen_at timestamptz NOT NULL DEFAULT '-infinity',
    changed_by text NOT NULL DEFAULT ''
);
"""
KNOW = "INSERT INTO account_status (account) VALUES (%(account)s) ON CONFLICT DO NOTHING"
MOVE = """
UPDATE account_status SET status = %(status)s, seen_at = %(at)s,
    changed_by = CASE WHEN status = %(status)s THEN changed_by ELSE %(event)s END
WHERE account = %(account)s AND seen_at <= %(at)s
"""
CHANGED_BY = "SELECT changed_by FROM account_status WHERE account = %(account)s"
Tell = Callable[[str], Awaitable[None]]

# What was before this worker's first start is no alarm any more.
worker = Worker(group="account-alerts", start="now")


class NotTold(Exception):
    """The chat has not taken the message."""


class Status(msgspec.Struct):
    """The payload of ``account.status.*``."""

    timestamp: datetime
    reason: str | None = None
    product: str | None = None


class Body(msgspec.Struct):
    """What is read of an event's body."""

    payload: Status
    account_name: str | None = None


@worker.resource
async def pool() -> AsyncIterator[AsyncConnectionPool]:
    """Open connections once in a process, and close them at its end."""
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], open=False) as pool:
        await pool.wait()  # a database that cannot be reached is said at start
        yield pool


@worker.resource
async def tell() -> AsyncIterator[Tell]:
    """Give what posts a text to the chat's webhook."""
    url = os.environ["CHAT_WEBHOOK_URL"]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield partial(post, session, url)


@worker.on("unipile:account.status.*", retry=Retry(attempts=12), timeout_seconds=30)
async def watch(event: Event, body: Body, pool: AsyncConnectionPool, tell: Tell) -> None:
    """Note an account's status, and tell the chat if this event has changed it."""
    account, status = event.account or "", event.type.rpartition(".")[2]
    at = body.payload.timestamp
    values = {"account": account, "status": status, "at": at, "event": event.identity}
    async with pool.connection() as connection:
        await connection.execute(KNOW, values)
        await connection.execute(MOVE, values)
        row = await (await connection.execute(CHANGED_BY, values)).fetchone()
    if row == (event.identity,):
        # After a crash in the middle it is said twice: better than never.
        await event.once("tell").run(tell, text_of(account, status, body))


async def post(session: aiohttp.ClientSession, url: str, text: str) -> None:
    """Post a text."""
    try:
        async with session.post(url, json={"text": text}, allow_redirects=False) as response:
            status = response.status
    except aiohttp.ClientError as error:
        # Its message may quote the URL, which is a secret, and errors are kept and shown.
        raise NotTold(type(error).__name__) from None
    if not 200 <= status < 300:
        raise NotTold(f"HTTP {status}")


def text_of(account: str, status: str, body: Body) -> str:
    """Write the alert; what comes from outside cannot mention anybody or add a link."""
    why = ", ".join(filter(None, (body.payload.product, body.payload.reason)))
    mark, state = ("✅", "running again") if status == "running" else ("⚠️", status)
    name = body.account_name or "An account"
    return escape(f"{mark} {name} ({account}) is {state}" + (why and f": {why}"), quote=False)


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        database.execute(TABLES)
