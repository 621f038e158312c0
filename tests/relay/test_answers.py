"""What a sender is told."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.errors import (
    MethodNotAllowed,
    Overloaded,
    SignatureRefused,
    StoreFull,
    UnknownEndpoint,
)
from relay.contract.event import Appended, Duplicate
from relay.pipeline import Accepted, Filtered
from relay.receive.answers import accepted, header_safe, problem, request_id


@pytest.mark.parametrize(
    ("result", "body", "entry_id"),
    [
        (Appended("1-0"), b'{"received":true}', "1-0"),
        (Duplicate("1-0"), b'{"received":true,"duplicate":true}', "1-0"),
        (
            Duplicate("1-0", changed_body=True),
            b'{"received":true,"duplicate":true}',
            "1-0",
        ),
        (Filtered(), b'{"received":true,"filtered":true}', None),
    ],
)
def test_accepted_deliveries_are_answered_200(
    result: Appended | Duplicate | Filtered, body: bytes, entry_id: str | None
) -> None:
    """Exactly 200, with what became of the event in body and headers."""
    answer = accepted(Accepted("evt_1", result), "r1")

    assert (answer.status, answer.body) == (200, body)
    assert answer.content_type == "application/json"
    assert answer.headers["relay-request-id"] == "r1"
    assert answer.headers["relay-event-id"] == "evt_1"
    assert answer.headers.get("relay-entry-id") == entry_id


def test_a_refusal_is_answered_with_problem_details() -> None:
    """Title, status and reason, and nothing of the delivery."""
    answer = problem(SignatureRefused("signature_mismatch"), "r1")

    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "The signature was refused",
        "status": 401,
        "reason": "signature_mismatch",
    }
    assert answer.content_type == "application/problem+json"
    assert answer.headers["relay-request-id"] == "r1"
    assert "retry-after" not in answer.headers


def test_who_should_try_later_gets_a_header() -> None:
    """A refusal for now says for how long; others do not."""
    assert problem(Overloaded(), "r1").headers["retry-after"] == "5"
    assert problem(StoreFull(), "r1").headers["retry-after"] == "30"
    assert "retry-after" not in problem(UnknownEndpoint(), "r1").headers


def test_a_wrong_method_is_told_the_right_one() -> None:
    """405 carries ``Allow``."""
    assert problem(MethodNotAllowed("GET", "HEAD"), "r1").headers["allow"] == "GET, HEAD"


def test_request_ids_differ() -> None:
    """Every answer has an id of its own that can stand in a header."""
    made = [request_id() for _ in range(100)]

    assert len(set(made)) == 100
    assert all(re.fullmatch(r"[0-9a-f-]+", one) for one in made)


@pytest.mark.parametrize("event_id", ["e", "evt_1", "a b", "x" * 256, "~!"])
def test_harmless_ids_stand_in_the_header(event_id: str) -> None:
    """Printable ASCII of up to 256 bytes is shown as it is."""
    assert header_safe(event_id) == event_id


@pytest.mark.parametrize("event_id", ["x" * 257, "é", "a\r\nb: c", "a\0", " a", "a ", "a\n", "\t"])
def test_other_ids_are_hashed(event_id: str) -> None:
    """What could break a header appears as its digest only."""
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", header_safe(event_id))


@given(st.text(max_size=300))
def test_any_id_gives_a_legal_header(event_id: str) -> None:
    """Whatever the sender's id is, the header is one line of visible ASCII without blank ends."""
    shown = header_safe(event_id)

    assert re.fullmatch(r"[!-~]([ -~]*[!-~])?", shown)
    assert len(shown) <= 256
