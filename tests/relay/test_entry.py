"""The form of a stream entry."""

from collections.abc import Callable
from typing import Any

import pytest

from relay.contract.entry import checked, decode, encode
from relay.contract.errors import UnreadableEntry
from relay.contract.event import Event
from tests.making import make_event

FULL = make_event(
    data=b"\x00\xff\r\n",
    time="2026-10-12T09:14:07.512Z",
    content_type="application/json",
    content_encoding="gzip",
    account="acc_1",
    headers={"user-agent": "x"},
    query="a=1",
    traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    original_type="Bad Type",
    batch_id="b",
    batch_index=0,
    batch_size=3,
    entry_id="1-0",
    reason="spent",
)


def fields_of(event: Event) -> dict[bytes, bytes]:
    """Give the fields as the store would."""
    raw = [part if isinstance(part, bytes) else part.encode() for part in encode(event)]
    return dict(zip(raw[::2], raw[1::2], strict=True))


def test_fields_are_as_published() -> None:
    """Names and values of the fields are these, and nothing else is written."""
    assert fields_of(FULL) == {
        b"specversion": b"1.0",
        b"id": b"evt_1",
        b"source": b"/webhooks/unipile",
        b"type": b"message.new",
        b"time": b"2026-10-12T09:14:07.512Z",
        b"datacontenttype": b"application/json",
        b"datacontentencoding": b"gzip",
        b"data": b"\x00\xff\r\n",
        b"account": b"acc_1",
        b"receivedat": b"1791796448000",
        b"assurance": b"body",
        b"headers": b'{"user-agent":"x"}',
        b"query": b"a=1",
        b"traceparent": FULL.traceparent.encode() if FULL.traceparent else b"",
        b"originaltype": b"Bad Type",
        b"batchid": b"b",
        b"batchindex": b"0",
        b"batchsize": b"3",
        b"entryid": b"1-0",
        b"reason": b"spent",
        b"relayversion": b"1",
    }


def test_fields_without_a_value_are_left_out() -> None:
    """An event with nothing optional has the required fields only."""
    assert set(fields_of(make_event(headers={}))) == {
        b"specversion",
        b"id",
        b"source",
        b"type",
        b"receivedat",
        b"assurance",
        b"relayversion",
        b"data",
    }


def test_every_attribute_comes_back() -> None:
    """An event with every attribute is the same after the round trip."""
    assert decode(fields_of(FULL)) == FULL


def test_unknown_fields_are_passed_over() -> None:
    """A newer gateway may write more than this reader knows."""
    assert decode(fields_of(FULL) | {b"invented": b"\xff"}) == FULL


@pytest.mark.parametrize(
    "name", ["id", "source", "type", "data", "receivedat", "assurance", "relayversion"]
)
@pytest.mark.parametrize("read", [decode, checked])
def test_a_missing_field_is_named(name: str, read: Callable[[Any], object]) -> None:
    """An entry that lacks a required field is unreadable, and the error says which it is."""
    fields = fields_of(make_event())
    del fields[name.encode()]

    with pytest.raises(UnreadableEntry, match=repr(name)):
        read(fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("relayversion", b"2"),
        ("assurance", b"perhaps"),
        ("receivedat", b"yesterday"),
        ("receivedat", b"9" * 400),
        ("id", b"\xff"),
        ("source", b"\xff"),
        ("type", b"\xff"),
    ],
)
def test_what_every_event_has_is_checked(name: str, value: bytes) -> None:
    """What can be asked of any event is readable once its entry was checked."""
    with pytest.raises(UnreadableEntry):
        checked(fields_of(make_event()) | {name.encode(): value})


def test_what_was_checked_is_given_again() -> None:
    """The fields are read when they are asked for."""
    fields = fields_of(FULL)

    assert checked(fields) is fields


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("relayversion", b"2"),
        ("assurance", b"perhaps"),
        ("receivedat", b"yesterday"),
        ("receivedat", b"9" * 5000),
        ("batchindex", b"x"),
        ("id", b"\xff"),
        ("relayversion", b"\xff"),
        ("headers", b"[]"),
        ("headers", b'{"a":1}'),
        ("headers", b"[" * 5000),
        ("headers", b"\xff"),
    ],
)
def test_a_field_that_cannot_be_read(name: str, value: bytes) -> None:
    """A field that is not of its form makes the entry unreadable, and nothing else is raised."""
    fields = fields_of(make_event()) | {name.encode(): value}

    with pytest.raises(UnreadableEntry):
        decode(fields)
