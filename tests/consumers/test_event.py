"""The event as a handler sees it."""

import json
import zlib

import pytest

from consumers import event as module
from consumers.event import Event
from consumers.lease import Lease
from tests.consumers.making import make_seen
from tests.making import NOW_MS, gzipped, make_event


def test_every_attribute_is_what_the_entry_holds() -> None:
    """Nothing is parsed or changed on the way."""
    stored = make_event(
        id="evt_9",
        data=b"\x00\xff",
        time="2026-10-12T09:14:07Z",
        account="acc_1",
        content_type="text/plain",
        headers={"user-agent": "x"},
        assurance="sender",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    lease = Lease(lambda: True, fence=4)
    event = Event(stored, entry_id="5-1", attempt=3, first_seen=7.5, lease=lease)

    assert (event.id, event.type, event.source) == ("evt_9", "message.new", "/webhooks/unipile")
    assert (event.endpoint, event.account, event.time) == (
        "unipile",
        "acc_1",
        "2026-10-12T09:14:07Z",
    )
    assert (event.data, event.content_type, event.assurance) == (
        b"\x00\xff",
        "text/plain",
        "sender",
    )
    assert event.headers == {"user-agent": "x"}
    assert event.received_at == NOW_MS / 1000
    assert event.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert (event.entry_id, event.attempt, event.first_seen) == ("5-1", 3, 7.5)
    assert (event.fence, event.lease_lost) == (4, True)


def test_its_tag_is_that_of_its_stream() -> None:
    """A partition's where it stands in one; the endpoint's where nobody says."""
    event = Event(make_event(), entry_id="5-1", attempt=1)
    parted = Event(make_event(), entry_id="5-1", attempt=1, tag="unipile#3")

    assert (event.tag, parted.tag, parted.endpoint) == ("unipile", "unipile#3", "unipile")


def test_its_text_names_it_and_shows_no_content() -> None:
    """A line of log with an event in it must not quote a body."""
    assert repr(make_seen(data=b"secret")) == "<Event message.new 'evt_1' attempt 1>"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (None, b'{"a": [1, "\xc3\xa9"]}'),
        ("identity", b'{"a": [1, "\xc3\xa9"]}'),
        ("gzip", gzipped(b'{"a": [1, "\xc3\xa9"]}')),
        ("x-gzip", gzipped(b'{"a": [1, "\xc3\xa9"]}')),
        ("GZIP ", gzipped(b'{"a": [1, "\xc3\xa9"]}')),
        ("deflate", zlib.compress(b'{"a": [1, "\xc3\xa9"]}')),
    ],
)
def test_json_unpacks_what_came_compressed(encoding: str | None, packed: bytes) -> None:
    """The body itself stays as it was received."""
    event = make_seen(data=packed, content_encoding=encoding)

    assert event.json() == {"a": [1, "é"]}
    assert event.unpacked() == b'{"a": [1, "\xc3\xa9"]}'
    assert event.data == packed


def test_half_an_emoji_is_json() -> None:
    """Senders cut texts in the middle of one; the rest of the event is worth having."""
    cut = json.dumps({"text": "a\U0001f600"})[: -len('\\ude00"}')] + '"}'

    assert make_seen(data=cut.encode()).json() == {"text": "a\ud83d"}


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", None),
        (b"not json", None),
        (b'{"a": 1', None),
        (b"\xff\xfe\xfa", None),
        (b'{"a": 1}', "gzip"),
        (gzipped(b'{"a": 1}')[:-9], "gzip"),
        (b'{"a": 1}', "br"),
    ],
    ids=["empty", "text", "cut", "no text", "not gzip", "cut gzip", "unknown encoding"],
)
def test_what_is_no_json_is_a_value_error(data: bytes, encoding: str | None) -> None:
    """One kind of error for everything that can be wrong with a body."""
    event = make_seen(data=data, content_encoding=encoding)

    with pytest.raises(ValueError):
        event.json()


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small body can unpack to any size."""
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 1000)
    bomb = gzipped(b"[" + b" " * 100_000 + b"]")

    with pytest.raises(ValueError, match="longer than 1000 bytes"):
        make_seen(data=bomb, content_encoding="gzip").json()
