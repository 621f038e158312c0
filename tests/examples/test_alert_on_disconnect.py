"""The example that tells a chat that an account has dropped out."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers import Event
from consumers.testing import Memory, run_handler, run_worker, unipile_event
from examples.alert_on_disconnect import TABLES, watch, worker
from tests.examples.conftest import Database
from tests.examples.services import Service

pytestmark = pytest.mark.e2e

START = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)


@pytest.fixture
def chat(database: Database, service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The chat's webhook, which the example finds in its environment, and its table."""
    database.execute(TABLES)
    monkeypatch.setenv("CHAT_WEBHOOK_URL", f"{service.url}hook/secret-path")
    return service


def status(name: str, minute: int, account: str = "acc_1") -> Event:
    """Make a status event; the minute is when the account got it, not when it is heard of."""
    at = (START + timedelta(minutes=minute)).isoformat()
    return unipile_event(f"account.status.{name}", account=account, payload={"timestamp": at})


def told(chat: Service) -> list[str]:
    """Give the words of the alerts that say what is the matter."""
    words = ("disconnected", "errored", "running again")
    return [word for asked in chat.asked for word in words if word in asked.json["text"]]


async def hear(*events: Event) -> None:
    """Run the worker over each, when the one before has been handled."""
    memory = Memory()
    for event in events:
        result = await run_worker(worker, [event], memory=memory)
        result.assert_all_handled()


async def test_a_disconnect_and_the_recovery_are_told_once_each(chat: Service) -> None:
    """However often the sender says so."""
    events = [status("disconnected", n) for n in range(3)]
    events += [status("running", n) for n in range(5, 8)]
    await hear(*events)

    assert told(chat) == ["disconnected", "running again"]


async def test_it_is_told_once_also_where_the_process_dies(chat: Service) -> None:
    """The message was posted, and nobody noted that the event is done."""
    result = await run_worker(
        worker, [status("disconnected", 0)], crash_before_ack=2, redeliver=True
    )
    result.assert_all_handled()

    assert len(result.runs) > 3
    assert told(chat) == ["disconnected"]


async def test_it_is_rather_told_twice_than_never(chat: Service) -> None:
    """The process died while it was posting, so nobody knows."""
    result = await run_worker(worker, [status("disconnected", 0)], crash_in_steps=["tell"])
    result.assert_all_handled()

    assert told(chat) == ["disconnected", "disconnected"]


async def test_what_is_over_when_it_is_heard_of_is_no_alarm(chat: Service) -> None:
    """The time of a status decides, and not the order of arrival."""
    events = [status("running", 5), status("disconnected", 0), status("running", 6)]
    await hear(*events)

    assert told(chat) == []


async def test_a_repeat_counts_as_the_latest_status(chat: Service) -> None:
    """A recovery from before the repeat, heard of late, does not end the alarm."""
    events = [status("disconnected", 0), status("disconnected", 10), status("running", 5)]
    await hear(*events)

    assert told(chat) == ["disconnected"]


async def test_accounts_have_nothing_to_do_with_each_other(chat: Service) -> None:
    """Each has a status of its own; another kind of failure is news."""
    events = [status("disconnected", 0), status("disconnected", 0, "acc_2"), status("errored", 1)]
    await hear(*events)

    assert told(chat) == ["disconnected", "disconnected", "errored"]


async def test_a_chat_that_fails_is_told_later(chat: Service) -> None:
    """And once, when it answers again."""
    chat.fail(500, 0, 429)
    result = await run_worker(worker, [status("disconnected", 0)])
    result.assert_handled(result.given[0], attempts=4)

    assert len(told(chat)) == 4


async def test_the_secret_address_stands_in_no_error(
    chat: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where the chat refuses nor where it cannot be reached."""
    chat.fail(404)
    refused = await run_handler(worker, watch, status("disconnected", 0))
    monkeypatch.setenv("CHAT_WEBHOOK_URL", "http://127.0.0.1:1/secret-path")
    unreachable = await run_handler(worker, watch, status("errored", 1))
    monkeypatch.setenv("CHAT_WEBHOOK_URL", "nonsense://secret-path")
    nonsense = await run_handler(worker, watch, status("disconnected", 2))
    errors = [run.error for run in (refused, unreachable, nonsense)]

    assert errors[0] == "NotTold: HTTP 404"
    assert [error.startswith("NotTold") for error in errors] == [True, True, True]
    assert [error for error in errors if "secret-path" in error] == []


async def test_what_comes_from_outside_cannot_mention_anybody(chat: Service) -> None:
    """A name is shown as it is, and no mark of the chat's own."""
    event = unipile_event(
        "account.status.errored", payload={"reason": "<!channel> <https://bad.example|good>"}
    )
    await run_handler(worker, watch, event)
    (asked,) = chat.asked

    assert "&lt;!channel&gt;" in asked.json["text"]
    assert "<" not in asked.json["text"]
