"""Answers are read from bytes that may be anything."""

import pytest

from relay.conformance.answer import Answer, Incomplete, take_answer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("came", "body", "left"),
    [
        (OK, b"hi", b""),
        (OK + OK, b"hi", OK),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi", b""),
        (b"HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\nhi", b"", b"hi"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1;\r\ni\r\n0\r\n\r\n+",
            b"hi",
            b"+",
        ),
    ],
)
def test_one_answer_is_taken_from_the_front(came: bytes, body: bytes, left: bytes) -> None:
    """What stands behind it is the next one's."""
    data = bytearray(came)

    answer = take_answer(data, ended=False)

    assert (answer.body, bytes(data)) == (body, left)
    assert answer.accepted


@pytest.mark.parametrize("size", range(len(OK)))
def test_an_answer_that_is_not_whole_is_waited_for(size: int) -> None:
    """However little has come."""
    with pytest.raises(Incomplete):
        take_answer(bytearray(OK[:size]), ended=False)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """As HTTP/1.0 has it."""
    data = bytearray(b"HTTP/1.0 400 Bad\r\n\r\nno")
    with pytest.raises(Incomplete):
        take_answer(data, ended=False)

    assert take_answer(data, ended=True).body == b"no"


@pytest.mark.parametrize(
    "came",
    [
        b"hello\r\n\r\n",
        b"\x15\x03\x01",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_told(came: bytes) -> None:
    """It is neither acceptance nor refusal."""
    answer = take_answer(bytearray(came), ended=False)

    assert answer.fate
    assert not answer.accepted
    assert not answer.refused


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: \xb2",
        b"content-length: " + b"9" * 5000,
        b"content-length: -2",
        # Read as a number it would lead back to itself for ever.
        b"transfer-encoding: chunked\r\n\r\n-7",
        b"transfer-encoding: chunked\r\n\r\n0x2",
        b"transfer-encoding: chunked\r\n\r\n" + b"f" * 5000,
    ],
)
def test_a_length_that_is_none_stops_nobody(framing: bytes) -> None:
    """The status is the answer all the same."""
    data = bytearray(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")

    assert take_answer(data, ended=True).accepted


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("5", 5.0), ("0", 0.0), ("\xb2", None), ("soon", None), ("-1", None), ("9" * 400, None)],
)
def test_a_pause_is_read_where_it_is_a_number(said: str, seconds: float | None) -> None:
    """It comes from outside as all else."""
    assert Answer(503, (("retry-after", said),)).pause_seconds == seconds


def test_the_answer_to_a_head_has_no_body() -> None:
    """A length in it is that of another answer."""
    data = bytearray(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + OK)

    assert take_answer(data, ended=False, bodiless=True).body == b""
    assert data == OK


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (503, (("retry-after", "5"),), "later"),
        (429, (("retry-after", "5"),), "later"),
        (503, (), "neither"),
        (408, (), "neither"),
        (401, (), "refused"),
        (500, (), "neither"),
    ],
)
def test_only_what_says_when_is_put_off(
    status: int, headers: tuple[tuple[str, str], ...], kind: str
) -> None:
    """A 503 without Retry-After is no more than an error."""
    answer = Answer(status, headers)

    assert (answer.try_later, answer.refused) == (kind == "later", kind == "refused")


def test_what_is_shown_is_printable() -> None:
    """A receiver's words act upon no terminal."""
    assert Answer(401, (), b'{"reason":"\\u001b[2J"}').shown() == "401 (\\x1b[2J)"
