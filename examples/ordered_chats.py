"""Writes each chat down line by line, in the order in which its messages were stored.

`order_by` gives the messages of a chat one after the other, also through retries and crashes, and
different chats side by side. A process that stood still may still be writing when another has
taken over, so the table keeps the highest fence, and refuses a writer with a lower one.

    pip install 'psycopg[binary,pool]'
    export DATABASE_URL=postgresql://…
    python -m examples.ordered_chats                    # makes the tables
    relay worker examples.ordered_chats:worker
"""

import os
from collections.abc import AsyncIterator

import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool

from consumers import Event, LeaseLost, Retry, Worker

TABLES = """
CREATE TABLE IF NOT EXISTS chats (
    account text NOT NULL,
    chat text NOT NULL,
    fence bigint NOT NULL,
    lines bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, chat)
);
CREATE TABLE IF NOT EXISTS chat_lines (
    account text NOT NULL,
    chat text NOT NULL,
    line bigint NOT NULL,
    message text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (account, chat, line),
    UNIQUE (account, chat, message)
);
"""
# Locks the chat until the commit. Changes nothing, and gives no row, where the fence is too low.
ENTER = """
INSERT INTO chats (account, chat, fence) VALUES (%(account)s, %(chat)s, %(fence)s)
ON CONFLICT (account, chat) DO UPDATE SET fence = EXCLUDED.fence
WHERE chats.fence <= EXCLUDED.fence
RETURNING lines
"""
# A message that is there already, from a run whose end nobody noted, is left alone.
WRITE = """
INSERT INTO chat_lines (account, chat, line, message, text)
VALUES (%(account)s, %(chat)s, %(line)s, %(message)s, %(text)s)
ON CONFLICT (account, chat, message) DO NOTHING
"""
COUNT = "UPDATE chats SET lines = %(line)s WHERE account = %(account)s AND chat = %(chat)s"

worker = Worker(group="chat-log")


class Message(msgspec.Struct):
    """What is kept of a message."""

    id: str
    chat_id: str
    text: str | None = None


@worker.resource
async def pool() -> AsyncIterator[AsyncConnectionPool]:
    """Open connections once in a process, and close them at its end."""
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, max_size=10) as pool:
        await pool.wait()  # a database that cannot be reached is said at start
        yield pool


# One type, so one stream: order is kept within a stream, and fences of two cannot be compared.
@worker.on(
    "unipile:message.new",
    order_by="/payload/chat_id",
    payload_at="/payload",
    # A message that fails holds up its chat, and no other: give up sooner than usual.
    retry=Retry(attempts=5),
    timeout_seconds=10,
)
async def write_down(event: Event, message: Message, pool: AsyncConnectionPool) -> None:
    """Add a message to its chat as the next line."""
    row = {
        "account": event.account or "",
        "chat": message.chat_id,
        "fence": event.fence or 0,
        "message": message.id,
        # PostgreSQL's text holds everything but this one character.
        "text": (message.text or "").replace("\0", ""),
    }
    async with pool.connection() as connection:
        entered = await (await connection.execute(ENTER, row)).fetchone()
        if entered is None:
            raise LeaseLost("another process has taken this chat over")
        row["line"] = entered[0] + 1
        written = await connection.execute(WRITE, row)
        if written.rowcount:
            await connection.execute(COUNT, row)


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        database.execute(TABLES)
