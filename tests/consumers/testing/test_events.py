"""Events that a test makes: complete, and such as the gateway would store."""

from typing import Any

import pytest

from consumers import Event
from consumers.testing import make_event, unipile_event, unipile_types
from relay.contract.entry import decode, encode


def test_an_event_is_complete() -> None:
    """What the test says nothing of has a usual value."""
    event = make_event("order.placed", endpoint="shop", json={"total": 5}, account="acc_1")

    assert (event.type, event.endpoint, event.account) == ("order.placed", "shop", "acc_1")
    assert (event.json(), event.attempt, event.assurance) == ({"total": 5}, 1, "body")
    assert event.content_type == "application/json"


def test_events_are_different_unless_the_test_says_otherwise() -> None:
    """Else the second would look like the first, come again."""
    first, second = make_event(), make_event()
    third, fourth = make_event(id="evt"), make_event(id="evt")

    assert first.identity != second.identity
    assert third.identity == fourth.identity


@pytest.mark.parametrize(("data", "stored"), [("text", b"text"), (b"\xff", b"\xff"), (b"", b"")])
def test_a_body_need_not_be_json(data: Any, stored: bytes) -> None:
    """It is what it is."""
    assert make_event(data=data).data == stored


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "two words"}, "type 'two words'"),
        ({"endpoint": "Shop"}, "endpoint 'Shop'"),
        ({"json": {}, "data": ""}, "not both"),
    ],
)
def test_an_event_that_could_not_be_stored_is_refused(fields: Any, words: str) -> None:
    """A test with such an event would test nothing."""
    with pytest.raises(ValueError, match=words):
        make_event(**fields)


@pytest.mark.parametrize("event_type", [*unipile_types(), "brand.new"])
def test_every_type_of_unipile_can_be_made(event_type: str) -> None:
    """It says of itself what the gateway reads out of it."""
    event = unipile_event(event_type, id="evt_1", account="acc_1")
    body = event.json()

    assert (body["id"], body["type"], body["account_id"]) == ("evt_1", event_type, "acc_1")
    assert body["created_at"] == event.time
    assert decode(_fields(event)) == event.stored


def _fields(event: Event) -> dict[bytes, bytes]:
    flat = [part if isinstance(part, bytes) else part.encode() for part in encode(event.stored)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def test_an_example_can_be_changed_in_parts() -> None:
    """What is not said stays; a list is replaced as a whole."""
    event = unipile_event(payload={"sender": {"display_name": "Kim"}, "attachments": []})
    payload = event.json()["payload"]

    assert payload["sender"]["display_name"] == "Kim"
    assert payload["sender"]["object"] == "User"
    assert payload["attachments"] == []


def test_the_account_of_an_example_is_the_events() -> None:
    """So that what goes by the account sees one."""
    event = unipile_event("email.new", provider="outlook")

    assert event.account == event.json()["account_id"]
    assert event.json()["account_provider"] == "outlook"


def test_an_example_is_as_old_as_the_event() -> None:
    """Times in it are those of its reception."""
    event = unipile_event(received_at=1_791_796_448)

    assert event.received_at == 1_791_796_448
    assert event.time == "2026-10-12T09:14:08.000Z"
