"""Counts messages in PostgreSQL, each exactly once, whatever dies in between.

The effect and the event's identity are written in one transaction. A second run of the same
event finds the identity and changes nothing.

    pip install 'psycopg[binary,pool]'
    export DATABASE_URL=postgresql://…
    python -m examples.postgres_once                    # makes the tables
    relay worker examples.postgres_once:worker
"""

import os
from collections.abc import AsyncIterator

import psycopg
from psycopg_pool import AsyncConnectionPool

from consumers import Event, Retry, Worker

TABLES = """
CREATE TABLE IF NOT EXISTS handled (
    consumer_group text NOT NULL,
    event text NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, event)
);
CREATE TABLE IF NOT EXISTS messages (
    account text PRIMARY KEY,
    received bigint NOT NULL
);
"""
# Where another run of this event is under way, this waits until that has committed or not.
REMEMBER = "INSERT INTO handled (consumer_group, event) VALUES (%s, %s) ON CONFLICT DO NOTHING"
COUNT = """
INSERT INTO messages (account, received) VALUES (%s, 1)
ON CONFLICT (account) DO UPDATE SET received = messages.received + 1
"""

worker = Worker(group="message-count")


@worker.resource
async def pool() -> AsyncIterator[AsyncConnectionPool]:
    """Open connections once in a process, and close them at its end."""
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, max_size=10) as pool:
        await pool.wait()  # a database that cannot be reached is said at start
        yield pool


@worker.on("unipile:message.*", retry=Retry(attempts=20), timeout_seconds=10)
async def count_message(event: Event, pool: AsyncConnectionPool) -> None:
    """Count a message for its account."""
    # Committed at the end of the block, or rolled back by an exception.
    async with pool.connection() as connection:
        remembered = await connection.execute(REMEMBER, (worker.group, event.identity))
        if remembered.rowcount:
            await connection.execute(COUNT, (event.account or "",))


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        database.execute(TABLES)
