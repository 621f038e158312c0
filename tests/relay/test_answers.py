"""What a sender is told."""

import json
import re
from email.utils import parsedate_to_datetime

import pytest
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.errors import (
    MethodNotAllowed,
    Overloaded,
    RateLimited,
    SignatureRefused,
    StoreFull,
    UnknownEndpoint,
)
from relay.contract.event import Appended, Duplicate
from relay.http.answers import problem, request_id
from relay.pipeline import Accepted, Filtered
from relay.receive.answers import answer, header_safe
from relay.receive.prepared import prepared


class Wire(AbstractStreamWriter):
    """Keeps what is written."""

    written = b""

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Take the last piece."""
        self.written += chunk

    async def write(self, chunk: object) -> None:
        """Take no other."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Have nothing to wait for."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Never be asked to."""

    def enable_chunking(self) -> None:
        """Never be asked to."""

    async def write_headers(self, status_line: str, headers: object) -> None:
        """Never be given any apart."""
        raise NotImplementedError


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
    said = answer(Accepted("evt_1", result))

    assert (said.status, said.body) == (200, body)
    assert said.content_type == "application/json"
    assert said.headers["relay-request-id"]
    assert said.headers["relay-event-id"] == "evt_1"
    assert said.headers.get("relay-entry-id") == entry_id


@pytest.mark.parametrize("event_id", ["evt_1", "a\r\nb: c", "é"])
@pytest.mark.parametrize("result", [Appended("1-0"), Duplicate("1-0"), Filtered()])
async def test_the_prepared_answer_says_what_the_ordinary_one_says(
    event_id: str, result: Appended | Duplicate | Filtered
) -> None:
    """Both have the same headers and the same body, but for what differs in every answer."""
    done = Accepted(event_id, result)
    request = make_mocked_request("POST", "/", writer=(wire := Wire()))
    ordinary = answer(done)
    await prepared(done).prepare(request)
    head, _, body = wire.written.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)

    assert status == "HTTP/1.1 200 OK"
    assert body == ordinary.body
    assert int(headers.pop("content-length")) == len(body)
    assert parsedate_to_datetime(headers.pop("date")).tzinfo is not None
    assert headers.pop("relay-request-id")
    expected = {name.lower(): value for name, value in ordinary.headers.items()}
    del expected["relay-request-id"]
    expected["content-type"] = ordinary.content_type
    assert headers == expected


def test_a_refusal_is_answered_with_problem_details() -> None:
    """Title, status and reason, and nothing of the delivery."""
    said = problem(SignatureRefused("signature_mismatch"))

    assert isinstance(said.body, bytes)
    assert json.loads(said.body) == {
        "type": "about:blank",
        "title": "The signature was refused",
        "status": 401,
        "reason": "signature_mismatch",
    }
    assert said.content_type == "application/problem+json"
    assert said.headers["relay-request-id"]
    assert "retry-after" not in said.headers


def test_who_should_try_later_gets_a_header() -> None:
    """A refusal for now says for how long; others do not."""
    assert problem(Overloaded()).headers["retry-after"] == "5"
    assert problem(StoreFull()).headers["retry-after"] == "30"
    assert problem(RateLimited(7)).headers["retry-after"] == "7"
    assert "retry-after" not in problem(UnknownEndpoint()).headers


def test_a_wrong_method_is_told_the_right_one() -> None:
    """405 carries ``Allow``."""
    assert problem(MethodNotAllowed("GET", "HEAD")).headers["allow"] == "GET, HEAD"


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
