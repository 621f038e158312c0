"""Whether the account's owner did it."""

from typing import Any

import pytest

from consumers.testing import make_event, unipile_event, unipile_types
from consumers.unipile import is_own_message, read
from tests.consumers.making import make_seen

Own = bool | None  # what is to be said

MESSAGES = ["message.new", "message.update", "message.delete"]
REACTIONS = ["message.reaction.new", "message.reaction.delete"]


@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_says_it(kind: str, mine: Own) -> None:
    """Of an event as it is, and as it was read."""
    event = unipile_event(kind, payload={"is_sender": mine})

    assert is_own_message(event) is mine
    assert is_own_message(read(event)) is mine


@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize("kind", REACTIONS)
def test_a_reaction_says_it_of_itself(kind: str, mine: Own) -> None:
    """And not of the message that it is to."""
    event = unipile_event(kind, payload={"reaction": {"is_sender": mine}, "is_sender": not mine})

    assert is_own_message(event) is mine
    assert is_own_message(read(event)) is mine


@pytest.mark.parametrize("odd", [None, 1, "true", [], {}])
@pytest.mark.parametrize("kind", [*MESSAGES, *REACTIONS])
def test_what_is_neither_true_nor_false_says_nothing(kind: str, odd: Any) -> None:
    """Also a text that looks like it."""
    event = unipile_event(kind, payload={"is_sender": odd, "reaction": {"is_sender": odd}})

    assert is_own_message(event) is None
    assert is_own_message(read(event)) is None


@pytest.mark.parametrize(
    ("name", "sender", "mine"),
    [
        ("shop@example.com", "shop@example.com", True),
        ("Shop@Example.com", " shop@example.COM ", True),
        ("shop@example.com", "kim@example.net", False),
        ("Shop <Shop@example.com>", "shop@example.com", True),
        ("shop@example.com", '"Shop, the" <shop@example.com>', True),
        ("shop@example.com", "Kim <kim@example.net>", False),
        ("shop@example.com", "shop@example.com, kim@example.net", None),
        ("shop@example.com", "Shop <shop@example.com", None),
        ("shop@example.com", "shop@example.com>", None),
        ("Grace Example", "kim@example.net", None),
        ("Grace Example", "Grace Example", None),
        (None, "kim@example.net", None),
        ("shop@example.com", None, None),
        ("shop@example.com", "", None),
        ("shop@example.com", 5, None),
    ],
)
def test_a_mail_is_told_by_its_first_sender(name: Any, sender: Any, mine: Own) -> None:
    """Compared with what the account is called, in letters of any size."""
    body = unipile_event("email.new").json() | {"account_name": name}
    body["payload"]["email"]["from"] = [{"email": sender}, {"email": "shop@example.com"}]
    event = make_event("email.new", json=body)

    assert is_own_message(event) is mine
    assert is_own_message(read(event)) is mine


@pytest.mark.parametrize("senders", [[], None, {}, "shop@example.com", [None], [[]]])
def test_a_mail_without_a_sender_is_nobodys(senders: Any) -> None:
    """In whatever form there is none."""
    body = unipile_event("email.new").json()
    body["payload"]["email"]["from"] = senders

    assert is_own_message(make_event("email.new", json=body)) is None


@pytest.mark.parametrize("kind", sorted({*unipile_types()} - {*MESSAGES, *REACTIONS, "email.new"}))
def test_of_all_other_types_it_cannot_be_told(kind: str) -> None:
    """Even where the address is the owner's."""
    assert is_own_message(unipile_event(kind)) is None


MEMBER1, HIDDEN = {"attendee_provider_id": "MEMBER1"}, {"attendee_provider_id": "123@lid"}


def of_version_1(**fields: Any) -> dict[str, Any]:
    """Make a message as version 1 sends it."""
    message = {
        "event": "message_received",
        "account_id": "account1",
        "account_info": {"type": "LINKEDIN", "user_id": "MEMBER1"},
        "sender": {"attendee_provider_id": "MEMBER1"},
        "reaction_sender": {"attendee_provider_id": "MEMBER2"},
    }
    return message | fields


@pytest.mark.parametrize(
    ("fields", "mine"),
    [
        ({}, True),
        ({"sender": {"attendee_provider_id": "MEMBER2"}}, False),
        ({"event": "message_reaction"}, False),
        ({"event": "message_reaction", "reaction_sender": MEMBER1}, True),
        ({"event": "message_read"}, None),
        ({"event": "new_relation"}, None),
        ({"account_info": None}, None),
        ({"account_info": {"user_id": ""}, "sender": {"attendee_provider_id": ""}}, None),
        ({"sender": "MEMBER1"}, None),
        # The same person, called by a number and by a hidden id.
        ({"account_info": {"user_id": "49305550101@s.whatsapp.net"}, "sender": HIDDEN}, None),
        ({"event": "mail_sent"}, True),
        ({"event": "mail_received"}, False),
        ({"event": 5}, None),
    ],
)
def test_version_1_is_told_by_names_and_ids(fields: dict[str, Any], mine: Own) -> None:
    """Whatever type the event is stored under."""
    event = make_event("message.new", json=of_version_1(**fields))

    assert is_own_message(event) is mine
    assert is_own_message(read(event)) is mine


@pytest.mark.parametrize(
    ("stored", "mine"),
    [
        ({"type": "mail_sent"}, True),
        ({"type": "email.new", "original_type": "mail_received"}, False),
        ({"type": "email.new"}, None),
    ],
)
def test_a_form_of_version_1_is_told_by_the_type(stored: dict[str, str], mine: Own) -> None:
    """Which the gateway has read of it."""
    assert is_own_message(make_seen(data=b"event=mail_sent", **stored)) is mine


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[" * 100_000, b"null", b'{"type": "message.new"}']
)
def test_no_body_makes_it_raise(data: bytes) -> None:
    """It says that it does not know."""
    assert is_own_message(make_event(data=data)) is None
