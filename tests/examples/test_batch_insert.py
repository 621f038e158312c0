"""The example that inserts many rows at once."""

import pytest

from consumers import Event
from consumers.testing import make_event, run_batch, run_worker, unipile_event
from examples.batch_insert import TABLES, insert, worker
from tests.examples.conftest import Database

pytestmark = pytest.mark.e2e


def message(name: str, text: str = "hello") -> Event:
    """Make a message."""
    return unipile_event(payload={"id": name, "text": text}, id=f"evt_{name}", account="acc_1")


def inserted(database: Database) -> list[str]:
    """Name the messages that have a row."""
    return [row[0] for row in database.execute("SELECT message FROM inbox ORDER BY message")]


async def test_a_message_that_does_not_fit_stops_no_other(database: Database) -> None:
    """What is no message, and what the database refuses, are given up; the others are there."""
    database.execute(TABLES)
    formless = make_event(json={"payload": {"id": "m4"}})
    events = [message("m1"), message("m2", "priv\0ate"), message("m3"), formless]
    result = await run_worker(worker, events)
    refused = result.assert_dead("evt_m2", "gave_up")
    result.assert_dead(formless, "gave_up")

    assert inserted(database) == ["m1", "m3"]
    assert "priv" not in refused.error
    assert [run.attempt for run in result.runs] == [1, 1, 1, 1]


async def test_a_message_has_one_row_however_often_it_comes(database: Database) -> None:
    """Twice in a batch, in two batches, and again after a crash."""
    database.execute(TABLES)
    events = [message(name) for name in ("m1", "m2", "m1", "m3")]
    result = await run_worker(worker, events, crash_before_ack=1, redeliver=True)
    result.assert_all_handled()

    assert inserted(database) == ["m1", "m2", "m3"]


async def test_a_batch_is_one_statement(database: Database) -> None:
    """However many rows it has."""
    database.execute(TABLES)
    database.execute("""
        CREATE TABLE statements (at timestamptz);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO statements VALUES (now()); RETURN NULL; END';
        CREATE TRIGGER noted AFTER INSERT ON inbox FOR EACH STATEMENT EXECUTE FUNCTION note();
    """)
    runs = await run_batch(worker, insert, [message(f"m{n}") for n in range(200)])

    assert all(run.done for run in runs)
    assert len(inserted(database)) == 200
    assert database.execute("SELECT count(*) FROM statements").fetchone() == (1,)


async def test_where_the_database_is_to_blame_nothing_is_given_up(database: Database) -> None:
    """A table that is not there yet fails all of them, and they are tried again."""
    runs = await run_batch(worker, insert, [message("m1"), message("m2")])

    assert [run.failed for run in runs] == [True, True]
    assert [run.dead for run in runs] == [False, False]
