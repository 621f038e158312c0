"""Which handler a stream's events go to."""

import pytest

from consumers.dispatch import Routes
from consumers.rooms import House
from tests.consumers.making import make_handler, make_stream


def routes_for(*patterns: str) -> Routes:
    """Make routes with one room per pattern."""
    return Routes(House([make_handler(pattern=pattern) for pattern in patterns]).rooms)


def chosen(routes: Routes, event_type: str, tag: str = "unipile") -> str | None:
    """Name the pattern whose handler has a stream."""
    room = routes.room_for(make_stream(event_type, tag))
    return None if room is None else str(room.handler.pattern)


@pytest.mark.parametrize(
    ("event_type", "pattern"),
    [
        ("message.new", "unipile:message.new"),
        ("message.read", "unipile:message.*"),
        ("email.new", "unipile:*"),
    ],
)
def test_the_most_specific_pattern_has_the_stream(event_type: str, pattern: str) -> None:
    """Whatever the order in which the handlers were declared."""
    patterns = ["unipile:*", "unipile:message.new", "unipile:message.*", "*:*"]

    assert chosen(routes_for(*patterns), event_type) == pattern
    assert chosen(routes_for(*reversed(patterns)), event_type) == pattern


def test_a_pattern_without_a_star_beats_one_of_the_same_length() -> None:
    """The longer text is the better match, and the exact one the best."""
    assert chosen(routes_for("unipile:message.new*", "unipile:message.new"), "message.new") == (
        "unipile:message.new"
    )


def test_a_stream_without_a_handler_is_not_read() -> None:
    """An old version of a worker leaves a new type alone."""
    routes = routes_for("unipile:message.*")

    assert not routes.add(make_stream("email.new"))
    assert not routes.add(make_stream("message.new", tag="github"))
    assert routes.streams == {}


def test_a_partition_belongs_to_its_endpoint() -> None:
    """Patterns name endpoints; the number behind the endpoint is nobody's concern."""
    assert chosen(routes_for("unipile:*"), "message.new", tag="unipile#7") == "unipile:*"


def test_a_stream_is_added_once() -> None:
    """The second time says that nothing is new."""
    routes = routes_for("unipile:*")

    assert routes.add(make_stream())
    assert not routes.add(make_stream())
    assert len(routes.streams) == 1


def test_a_removed_stream_can_come_back() -> None:
    """It was deleted, and is found again when it has a new entry."""
    routes = routes_for("unipile:*")
    routes.add(make_stream())
    routes.remove(make_stream())
    routes.remove(make_stream())

    assert routes.streams == {}
    assert routes.add(make_stream())


def test_streams_are_grouped_by_tag_in_the_order_of_their_coming() -> None:
    """One script call covers the streams of a tag."""
    routes = routes_for("*:*")
    for event_type, tag in [("a", "x"), ("b", "x#1"), ("c", "x")]:
        routes.add(make_stream(event_type, tag))
    found = {
        tag: [stream.event_type for stream, _ in streams]
        for tag, streams in routes.by_tag().items()
    }

    assert found == {"x": ["a", "c"], "x#1": ["b"]}
