"""The example that calls a flaky API."""

from datetime import UTC, datetime

import aiohttp
import pytest

from consumers.testing import run_handler, run_worker, unipile_event
from examples import flaky_api
from examples.flaky_api import forward, seconds_to_wait, worker
from tests.examples.services import Service

TOKEN = "secret-token"


@pytest.fixture
def crm(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The API, which the example finds in its environment."""
    monkeypatch.setenv("CRM_URL", f"{service.url}api/")
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    return service


async def test_a_message_is_sent_once_with_what_the_api_needs(crm: Service) -> None:
    """One request, with the token, a key, and the fields that were chosen."""
    event = unipile_event(payload={"id": "m1", "text": "hello"})
    run = await run_handler(worker, forward, event)
    run.assert_done()
    (asked,) = crm.asked

    assert asked.path == "/api/messages"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["idempotency-key"] == event.identity
    assert set(asked.json) == {"id", "chat_id", "timestamp", "text", "is_sender"}


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (503, {"retry_after": "7"}, 7),
        (429, {"retry_after": "999999999"}, 3600),
        (429, {}, 30),
        (401, {}, 300),
    ],
)
async def test_an_api_that_asks_for_time_is_given_it(
    crm: Service, status: int, headers: dict[str, str], seconds: float
) -> None:
    """Nothing has failed: the event waits for as long as it was told."""
    crm.fail(status, **headers)
    run = await run_handler(worker, forward, unipile_event())

    run.assert_retried(in_seconds=seconds)
    assert run.postponed


@pytest.mark.parametrize("status", [500, 502, 408, 409, 302, 0])
async def test_a_failure_that_may_be_over_soon_is_tried_again(crm: Service, status: int) -> None:
    """Also where the connection ends without an answer."""
    crm.fail(status, location="/elsewhere")
    run = await run_handler(worker, forward, unipile_event())

    run.assert_retried()
    assert run.failed
    assert len(crm.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_message_that_the_api_will_never_take_is_given_up(
    crm: Service, status: int
) -> None:
    """The error says why, and quotes neither the answer nor the message."""
    crm.fail(status)
    run = await run_handler(worker, forward, unipile_event(payload={"text": "private"}))

    run.assert_dead("gave_up")
    assert run.error == f"GiveUp: HTTP {status}: the API will not take this message"


async def test_every_run_of_an_event_has_the_same_key(crm: Service) -> None:
    """Failures, a process that dies, a second copy: the API can tell that it is one message."""
    one, other = unipile_event(), unipile_event()
    crm.fail(500, 0, 503, retry_after="20")
    result = await run_worker(worker, [one, other], crash_before_ack=1, redeliver=True)
    result.assert_all_handled()
    keys = [asked.headers["idempotency-key"] for asked in crm.asked]

    assert set(keys) == {one.identity, other.identity}
    assert len(keys) > 4
    assert result.elapsed_seconds >= 20


async def test_an_api_that_is_silent_is_not_waited_for_long(
    crm: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request has a limit of its own, below the handler's."""
    limit = aiohttp.ClientTimeout(total=0.1)
    handler = worker.handlers[0]
    monkeypatch.setattr(flaky_api, "REQUEST", limit)
    crm.answering.clear()
    run = await run_handler(worker, forward, unipile_event())
    crm.answering.set()

    run.assert_retried()
    assert run.error == "Unavailable: no answer in time"
    assert handler.timeout_seconds is not None
    assert handler.timeout_seconds > 10


def test_the_rate_is_limited() -> None:
    """A backlog does not fall upon the API at once."""
    (handler,) = worker.handlers

    assert handler.rate_limit is not None
    assert handler.rate_limit.runs == 20


NOW = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, 30.0),
        ("120", 120.0),
        ("0", 1.0),
        ("-5", 30.0),
        ("nan", 30.0),
        ("1" * 400, 3600.0),
        ("²", 30.0),
        ("", 30.0),
        ("Mon, 12 Oct 2026 09:01:00 GMT", 60.0),
        ("Mon, 12 Oct 2026 09:01:00 -0000", 60.0),
        ("Mon, 12 Oct 2020 09:01:00 GMT", 1.0),
        ("Mon, 12 Oct 9999 09:01:00 GMT", 3600.0),
        ("Mon, 99 Oct 2026 09:01:00 GMT", 30.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(said: str | None, seconds: float) -> None:
    """Nonsense gives the usual wait."""
    assert seconds_to_wait(said, NOW) == seconds
