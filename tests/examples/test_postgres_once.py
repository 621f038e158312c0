"""The example that changes a database exactly once; `tests/e2e/test_crash_postgres.py` kills it."""

import pytest

from consumers.testing import run_worker, unipile_event
from examples.postgres_once import TABLES, worker
from tests.examples.conftest import Database

pytestmark = pytest.mark.e2e


async def test_an_event_counts_once_however_often_it_runs(database: Database) -> None:
    """Processes die before they can say that it is done, and copies come."""
    database.execute(TABLES)
    events = [unipile_event(account="acc_1") for _ in range(3)]
    result = await run_worker(worker, events, crash_before_ack=2, redeliver=True)
    result.assert_all_handled()

    assert len(result.runs) > 2 * len(events)
    assert database.execute("SELECT account, received FROM messages").fetchall() == [("acc_1", 3)]


async def test_what_fails_in_the_middle_counts_when_it_is_tried_again(database: Database) -> None:
    """The identity is not remembered without the work that it stands for."""
    database.execute(TABLES)
    database.execute("ALTER TABLE messages ADD CHECK (received < 2)")
    one, other = (unipile_event(account="acc_1") for _ in range(2))
    failed = await run_worker(worker, [one, other])
    database.execute("ALTER TABLE messages DROP CONSTRAINT messages_received_check")
    result = await run_worker(worker, [one, other])
    result.assert_all_handled()

    assert len(failed.dead_letters) == 1
    assert database.execute("SELECT received FROM messages").fetchall() == [(2,)]
