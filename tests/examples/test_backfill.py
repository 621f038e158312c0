"""The example that fetches what came while an account was disconnected."""

import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Unpack

import psycopg
import pytest

from consumers import Event
from consumers.testing import (
    Crash,
    Memory,
    Result,
    RunOptions,
    run_handler,
    run_worker,
    unipile_event,
)
from examples.backfill import api, fill, gaps, lists
from examples.backfill.worker import note_status, worker
from tests.examples.conftest import Database
from tests.examples.services import Asked, Sender

pytestmark = pytest.mark.e2e

START = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
ACCOUNT = "acc_1"
DOWN, UP = 0, 600


def time_of(minute: float) -> str:
    """Write a time as the sender does."""
    at = START + timedelta(minutes=minute)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message(name: str, minute: float, chat: str = "c1") -> dict[str, Any]:
    """Make a message as the sender has it."""
    return {"id": name, "chat_id": chat, "timestamp": time_of(minute), "text": f"text of {name}"}


def status(name: str, minute: float) -> Event:
    """Make a status event of the account."""
    payload = {"timestamp": time_of(minute)}
    return unipile_event(f"account.status.{name}", account=ACCOUNT, payload=payload)


def both_ends() -> list[Event]:
    """Give the events at both ends of the gap."""
    return [status("disconnected", DOWN), status("running", UP)]


@pytest.fixture(params=["cursors", "offsets"])
async def sender(
    request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sender]:
    """The sender's API, with seven messages in the gap, in three chats, and small pages."""
    database.execute(f"{gaps.TABLES} {lists.TABLES}".encode())
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    monkeypatch.setenv("UNIPILE_API_KEY", "secret-key")
    sender = Sender(cursors=request.param == "cursors")
    sender.messages = [message(f"m{n}", 50 * n, f"c{n % 3}/@") for n in range(1, 8)]
    sender.messages += [message(f"old{n}", -500 - n, f"old{n}") for n in range(5)]
    async with sender.serving():
        monkeypatch.setenv("UNIPILE_API_URL", sender.url)
        yield sender


def stored(database: Database) -> list[str]:
    """Name the messages that are stored, each as often as it is."""
    query = "SELECT message FROM archived_messages ORDER BY message"
    return [row[0] for row in database.execute(query)]


def pages(sender: Sender) -> Counter[tuple[str, str]]:
    """Count how often each page of messages was asked for."""
    return Counter(_page_of(asked) for asked in sender.asked if asked.path.endswith("/messages"))


def _page_of(asked: Asked) -> tuple[str, str]:
    return asked.path, asked.query.get("cursor", asked.query.get("offset", "0"))


async def fill_gap(**options: Unpack[RunOptions]) -> Result:
    """Run the worker over the begin of the gap, and then over its end."""
    down, up = both_ends()
    (await run_handler(worker, note_status, down)).assert_done()
    result = await run_worker(worker, [up], **options)
    result.assert_all_handled()
    return result


ALL = [f"m{n}" for n in range(1, 8)]


async def test_what_was_missed_is_stored_beside_what_webhooks_bring(
    database: Database, sender: Sender
) -> None:
    """Once each, whether one of them brings it or both."""
    webhooks = [
        unipile_event(account=ACCOUNT, payload=message("m7", 350, "c1/@")),
        unipile_event(account=ACCOUNT, payload=message("new", 601)),
    ]
    result = await run_worker(worker, [*both_ends(), *webhooks], redeliver=True)
    result.assert_all_handled()

    assert stored(database) == [*ALL, "new"]
    assert {asked.headers["x-api-key"] for asked in sender.asked} == {"secret-key"}
    assert "/chats/old" not in " ".join(asked.path for asked in sender.asked)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_the_gap_is_found_by_whichever_end_comes_last(
    database: Database, sender: Sender, order: list[int]
) -> None:
    """The streams of the two types have no order among them."""
    events = both_ends()
    memory = Memory()
    for number in order:
        await run_worker(worker, [events[number]], memory=memory)

    assert stored(database) == ALL


async def test_of_two_ends_that_are_noted_at_once_one_sees_the_other(
    database: Database, sender: Sender
) -> None:
    """The first is seen as soon as it is noted, before its transaction has ended."""
    address = os.environ["DATABASE_URL"]
    async with (
        await psycopg.AsyncConnection.connect(address) as one,
        await psycopg.AsyncConnection.connect(address) as other,
    ):
        first = await gaps.note(one, ACCOUNT, START, running=False)
        second = await gaps.note(other, ACCOUNT, START + timedelta(hours=1), running=True)

    assert first is None
    assert second is not None


async def test_the_chats_are_listed_until_they_are_too_old(
    database: Database, sender: Sender
) -> None:
    """Twice, to see those that have moved; four chats or less on two pages."""
    await fill_gap()
    listed = [asked for asked in sender.asked if asked.path.endswith("/chats")]

    assert len(listed) == 4


async def test_an_account_that_runs_all_the_time_has_no_gap(
    database: Database, sender: Sender
) -> None:
    """The API is not asked; neither while an account is still down."""
    for event in (status("running", 0), status("running", 5), status("errored", 700)):
        (await run_handler(worker, note_status, event)).assert_done()

    assert sender.asked == []


async def test_a_gap_begins_at_the_first_failure_after_the_account_ran(
    database: Database, sender: Sender
) -> None:
    """Gaps of before are not filled again, and later failures do not make it shorter."""
    names = [("disconnected", -900), ("running", -800), ("errored", 0), ("disconnected", 300)]
    for name, minute in names:
        await run_handler(worker, note_status, status(name, minute))
    sender.asked.clear()
    await run_handler(worker, note_status, status("running", UP))
    bounds = {
        (asked.query["after"], asked.query["before"])
        for asked in sender.asked
        if "after" in asked.query
    }

    assert bounds == {(time_of(-10), time_of(UP + 10))}


async def test_a_busy_api_is_asked_again_when_it_says_and_from_there(
    database: Database, sender: Sender
) -> None:
    """What was fetched before is not fetched again."""
    sender.fails_after = 8  # of which four list the chats, twice
    sender.fail(429, 503, retry_after="40")
    result = await fill_gap()

    assert stored(database) == ALL
    assert 80 <= result.elapsed_seconds < 90
    # One page was refused twice.
    assert sorted(pages(sender).values()) == [*([1] * (len(pages(sender)) - 1)), 3]


async def test_a_long_gap_is_filled_in_many_runs(
    database: Database, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on where the one before it was."""
    monkeypatch.setattr(fill, "PAGES_PER_RUN", 1)
    result = await fill_gap()

    assert stored(database) == ALL
    assert len(result.runs) > 5
    assert set(pages(sender).values()) == {1}


@pytest.mark.parametrize(("step", "number"), [("store", 3), ("go_on", 7)])
async def test_a_process_that_dies_between_storing_and_noting_has_lost_nothing(
    database: Database, sender: Sender, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """Both are undone, and the next run fetches that page again and no other."""
    done, numbers = getattr(lists, step), count(1)

    async def die_once(*arguments: Any) -> None:
        if next(numbers) == number:
            raise Crash
        await done(*arguments)

    monkeypatch.setattr(lists, step, die_once)
    result = await fill_gap(crash_before_ack=1, redeliver=True)

    assert stored(database) == ALL
    assert result.runs[0].crashed
    assert sorted(pages(sender).values()) == [*([1] * (len(pages(sender)) - 1)), 2]


async def test_an_account_that_drops_out_again_is_waited_for(
    database: Database, sender: Sender
) -> None:
    """Its gap is filled when it can be asked again."""
    sender.fails_after = 3
    sender.fail(401, 401)
    result = await fill_gap()

    assert stored(database) == ALL
    assert result.elapsed_seconds >= 2 * 300


async def test_a_chat_that_moves_up_while_the_list_is_read_is_not_missed(
    database: Database, sender: Sender
) -> None:
    """A message comes into the last chat when the first page of chats has been read."""

    def move() -> None:
        sender.messages.append(message("new", 605, "c1/@"))

    sender.messages = [message("m1", 10, "c1/@"), message("m2", 20, "c2"), message("m3", 30, "c3")]
    sender.after_first = move
    await fill_gap()

    assert stored(database) == ["m1", "m2", "m3", "new"]


async def test_a_chat_that_is_gone_holds_up_no_other(database: Database, sender: Sender) -> None:
    """It has no messages any more."""
    sender.gone = "c1/@"
    await fill_gap()

    assert stored(database) == ["m2", "m3", "m5", "m6"]


async def test_an_answer_in_another_form_is_a_failure_that_quotes_nothing(
    database: Database, sender: Sender
) -> None:
    """The event is tried again; what was stored until then stays."""
    sender.messages = [{**message("m1", 10), "timestamp": "private"}]
    (await run_handler(worker, note_status, status("disconnected", DOWN))).assert_done()
    run = await run_handler(worker, note_status, status("running", UP))
    run.assert_retried()

    assert run.failed
    assert "private" not in run.error
