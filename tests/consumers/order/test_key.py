"""What an entry's lane is named after."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import Event
from consumers.order.key import lane_of
from consumers.worker import OrderBy
from tests.consumers.making import fields_for


def body(text: str) -> dict[bytes, bytes]:
    """Give the fields of an entry with a body."""
    return fields_for(data=text.encode())


@pytest.mark.parametrize(
    ("order_by", "one", "same", "other"),
    [
        ("account", {"account": "a"}, {"account": "a"}, {"account": "b"}),
        ("account", {"account": None}, {"account": None}, {"account": "b"}),
        ("type", {"type": "x"}, {"type": "x", "account": "b"}, {"type": "y"}),
        ("/p/chat", {"data": b'{"p":{"chat":7}}'}, {"data": b'{"p":{"chat":7},"q":1}'}, {}),
        ("/a~1b/0", {"data": b'{"a/b":["x"]}'}, {"data": b'{"a/b":["x","y"]}'}, {}),
        (lambda event: event.id[:1], {"event_id": "ab"}, {"event_id": "ac"}, {"event_id": "b"}),
    ],
)
def test_entries_with_the_same_key_share_a_lane(
    order_by: OrderBy, one: dict[str, Any], same: dict[str, Any], other: dict[str, Any]
) -> None:
    """And those with another have another."""
    name = lane_of(order_by)
    lanes = [name("1-0", fields_for(**each)) for each in (one, same, other)]

    assert lanes[0] == lanes[1]
    assert lanes[0] != lanes[2]
    assert len(lanes[0]) == 16


@pytest.mark.parametrize(
    "fields",
    [
        body("no JSON"),
        body("[]"),
        body('{"p":[]}'),
        body('{"p":{"chat":null}}'),
        body("7"),
        {b"id": b"x"},
        {},
    ],
)
def test_what_has_no_key_shares_one_lane(fields: dict[bytes, bytes]) -> None:
    """Where nothing is pointed at, the body cannot be read, or the entry itself."""
    name = lane_of("/p/chat")

    assert name("1-0", fields) == name("2-0", body("{}"))


def test_a_function_that_raises_is_said_once_and_stops_nothing() -> None:
    """Its events share the lane of those without a key."""

    def broken(event: Event) -> str:
        raise KeyError(event.id)

    name = lane_of(broken)
    with capture_logs() as said:
        lanes = {name("1-0", fields_for(each)) for each in ("a", "b")}

    assert lanes == {lane_of(lambda _: None)("1-0", fields_for())}
    assert [line["event"] for line in said] == ["order_key_failed"]


def test_a_number_that_is_too_long_to_be_written_stops_nothing() -> None:
    """Reading would end with it."""
    number: Any = 10**5000
    name = lane_of(lambda _: number)
    with capture_logs() as said:
        lane = name("1-0", fields_for())

    assert lane == lane_of(lambda _: None)("1-0", fields_for())
    assert [(line["event"], line["error"]) for line in said] == [("order_key_failed", "ValueError")]


@pytest.mark.parametrize("key", [object(), ["a"], b"a"], ids=["object", "list", "bytes"])
def test_a_function_that_gives_no_text_is_said_once_and_loses_no_order(key: Any) -> None:
    """Some objects are told by their place in memory, so that no two events had a key in common."""
    name = lane_of(lambda _: key)
    with capture_logs() as said:
        lanes = {name("1-0", fields_for(each)) for each in ("a", "b")}

    assert lanes == {lane_of(lambda _: None)("1-0", fields_for())}
    assert [(line["event"], line["error"]) for line in said] == [("order_key_failed", "TypeError")]
