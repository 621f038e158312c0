"""Inserts messages into PostgreSQL many at a time; one that does not fit stops no other.

What cannot be a row is given up. Where the database refuses a batch, its rows are tried one by one,
so that only the one to blame is given up. A failure of the database itself fails all of them.

    pip install 'psycopg[binary,pool]'
    export DATABASE_URL=postgresql://…
    python -m examples.batch_insert                     # makes the table
    relay worker examples.batch_insert:worker
"""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool

from consumers import Event, GiveUp, Retry, Worker

TABLES = """
CREATE TABLE IF NOT EXISTS inbox (
    account text NOT NULL,
    message text NOT NULL,
    chat text NOT NULL,
    sent_at timestamptz NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (account, message)
);
"""
# One statement for any number of rows; those that are there already are left alone.
INSERT = """
INSERT INTO inbox (account, message, chat, sent_at, text)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
ON CONFLICT (account, message) DO NOTHING
"""
Row = tuple[str, str, str, datetime, str]

worker = Worker(group="inbox")


class Message(msgspec.Struct):
    """What is kept of a message."""

    id: str
    chat_id: str
    timestamp: datetime
    text: str | None = None


class Body(msgspec.Struct):
    """What is read of an event's body."""

    payload: Message


@worker.resource
async def pool() -> AsyncIterator[AsyncConnectionPool]:
    """Open connections once in a process, and close them at its end."""
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, max_size=4) as pool:
        await pool.wait()  # a database that cannot be reached is said at start
        yield pool


@worker.on_batch(
    "unipile:message.new",
    size=500,
    wait_seconds=0.5,
    read_ahead=1000,
    retry=Retry(attempts=20),
    timeout_seconds=30,
)
async def insert(events: list[Event], pool: AsyncConnectionPool) -> list[Exception | None]:
    """Insert a row for each event that has one, and say of each what came of it."""
    rows = [row_of(event) for event in events]
    good = [row for row in rows if not isinstance(row, GiveUp)]
    async with pool.connection() as connection:
        try:
            # A savepoint: what fails within is undone, and the connection can be used on.
            async with connection.transaction():
                await insert_rows(connection, good)
        except psycopg.DataError:
            return [await alone(connection, row) for row in rows]
    return [row if isinstance(row, GiveUp) else None for row in rows]


async def alone(connection: psycopg.AsyncConnection[Any], row: Row | GiveUp) -> GiveUp | None:
    """Insert one row, or say that it is to blame."""
    if isinstance(row, GiveUp):
        return row
    try:
        async with connection.transaction():
            await insert_rows(connection, [row])
    except psycopg.DataError as error:
        # Its code and not its message, which quotes the row; without one the driver refuses.
        return GiveUp(f"the database takes no such row: {error.sqlstate or 'driver'}")
    return None


async def insert_rows(connection: psycopg.AsyncConnection[Any], rows: Sequence[Row]) -> None:
    """Insert rows in one statement."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        await connection.execute(INSERT, columns)


def row_of(event: Event) -> Row | GiveUp:
    """Make an event's row, or say why it has none."""
    try:
        kept = msgspec.json.decode(event.unpacked(), type=Body).payload
    except ValueError:
        return GiveUp("the body is no message with id, chat_id and timestamp")
    return event.account or "", kept.id, kept.chat_id, kept.timestamp, kept.text or ""


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        database.execute(TABLES)
