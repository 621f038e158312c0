"""How far each gap is filled: the lists that are to be read for it, and where each goes on.

There is one for the account's chats, under the empty name, and one for the messages of each chat.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from examples.backfill.api import Message, Position
from examples.backfill.gaps import Gap

TABLES = """
CREATE TABLE IF NOT EXISTS archived_messages (
    account text NOT NULL,
    message text NOT NULL,
    chat text NOT NULL,
    sent_at timestamptz NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (account, message)
);
CREATE TABLE IF NOT EXISTS gap_lists (
    account text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    chat text NOT NULL,
    position jsonb NOT NULL DEFAULT '{}',
    done boolean NOT NULL DEFAULT false,
    chats_known bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, since, until, chat)
);
"""
STORE = """
INSERT INTO archived_messages (account, message, chat, sent_at, text)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT (account, message) DO NOTHING
"""
ADD = """
INSERT INTO gap_lists (account, since, until, chat)
VALUES (%(account)s, %(since)s, %(until)s, %(chat)s) ON CONFLICT DO NOTHING
"""
NEXT = """
SELECT chat, position FROM gap_lists
WHERE (account, since, until) = (%(account)s, %(since)s, %(until)s) AND NOT done
ORDER BY chat LIMIT 1
"""
# Never back from done: another run may have been quicker.
GO_ON = """
UPDATE gap_lists SET position = %(position)s, done = %(done)s
WHERE (account, since, until, chat) = (%(account)s, %(since)s, %(until)s, %(chat)s) AND NOT done
"""
# A chat that moves to the top while we read is not seen: so again, until nothing is new.
END_OF_CHATS = """
UPDATE gap_lists SET done = (chats_known = found.count), chats_known = found.count, position = '{}'
FROM (
    SELECT count(*) FROM gap_lists
    WHERE (account, since, until) = (%(account)s, %(since)s, %(until)s) AND chat <> ''
) AS found
WHERE (account, since, until, chat) = (%(account)s, %(since)s, %(until)s, '') AND NOT done
"""
CHATS = ""


async def store(
    connection: AsyncConnection[Any], account: str, messages: Iterable[Message]
) -> None:
    """Store messages, each once, whichever way and however often it comes."""
    rows = [
        # PostgreSQL's text holds everything but this one character.
        (account, each.id, each.chat_id, each.timestamp, (each.text or "").replace("\0", ""))
        for each in messages
    ]
    await connection.cursor().executemany(STORE, rows)


async def add(connection: AsyncConnection[Any], gap: Gap, chats: Iterable[str]) -> None:
    """Note that lists are to be read; nothing changes for those that are noted already."""
    rows = [asdict(gap) | {"chat": chat} for chat in chats]
    await connection.cursor().executemany(ADD, rows)


async def next_unread(connection: AsyncConnection[Any], gap: Gap) -> tuple[str, Position] | None:
    """Give a list that is not read to its end, and where to go on; none where all are."""
    return await (await connection.execute(NEXT, asdict(gap))).fetchone()


async def go_on(
    connection: AsyncConnection[Any], gap: Gap, chat: str, position: Position | None
) -> None:
    """Note where a list goes on; none where this was its last page."""
    if chat == CHATS and position is None:
        await connection.execute(END_OF_CHATS, asdict(gap))
        return
    where = {"chat": chat, "position": Jsonb(position or {}), "done": position is None}
    await connection.execute(GO_ON, asdict(gap) | where)
