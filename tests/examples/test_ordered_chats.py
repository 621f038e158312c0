"""The example that keeps the messages of a chat in order."""

from typing import Any

import pytest

from consumers import Event
from consumers.testing import run_handler, run_worker, unipile_event
from examples.ordered_chats import TABLES, worker, write_down
from tests.examples.conftest import Database

pytestmark = pytest.mark.e2e


def message(chat: str, name: str, text: str = "hello") -> Event:
    """Make a message of a chat."""
    payload = {"id": name, "chat_id": chat, "text": text}
    return unipile_event(payload=payload, id=f"evt_{name}", account="acc_1")


def lines(database: Database, chat: str) -> list[tuple[Any, ...]]:
    """Give what was written down of a chat."""
    query = "SELECT line, message FROM chat_lines WHERE chat = %s ORDER BY line"
    return database.execute(query, (chat,)).fetchall()


async def test_lines_stand_in_the_order_of_the_messages(database: Database) -> None:
    """Through crashes and copies; each message is one line."""
    database.execute(TABLES)
    events = [message(chat, f"{chat}{n}") for n in range(1, 6) for chat in "ab"]
    result = await run_worker(
        worker, events, crash_before_ack={"evt_a2": 2, "evt_b1": 1}, redeliver=True
    )
    result.assert_all_handled()

    assert lines(database, "a") == [(n, f"a{n}") for n in range(1, 6)]
    assert lines(database, "b") == [(n, f"b{n}") for n in range(1, 6)]


async def test_a_message_that_fails_holds_up_its_own_chat_only(database: Database) -> None:
    """What stands behind it comes when it is given up, and the other chat before that."""
    database.execute(TABLES)
    database.execute("ALTER TABLE chat_lines ADD CHECK (text <> 'bad')")
    events = [message("a", "a1", "bad"), message("a", "a2"), message("b", "b1")]
    result = await run_worker(worker, events)
    result.assert_dead("evt_a1", "attempts_spent")
    result.assert_order("evt_b1", "evt_a2")

    assert lines(database, "a") == [(1, "a2")]


async def test_a_writer_whose_chat_was_taken_over_changes_nothing(database: Database) -> None:
    """The table has seen a higher fence: another process owns the stream by now."""
    database.execute(TABLES)
    database.execute("INSERT INTO chats VALUES ('acc_1', 'a', 9000000000000000, 0)")
    run = await run_handler(worker, write_down, message("a", "a1"))

    assert run.error == "LeaseLost: another process has taken this chat over"
    assert lines(database, "a") == []


async def test_a_text_that_the_database_cannot_hold_is_kept_without_that(
    database: Database,
) -> None:
    """One character is left out; the message is not lost, and holds up nobody."""
    database.execute(TABLES)
    run = await run_handler(worker, write_down, message("a", "a1", "be\0fore"))
    run.assert_done()

    assert database.execute("SELECT text FROM chat_lines").fetchall() == [("before",)]
