"""What a worker says of its handlers' streams at the start, once."""

from typing import Any

from structlog.testing import capture_logs

from consumers.dispatch import Routes
from consumers.rooms import House
from consumers.starting.matches import SHOWN, Matches
from tests.consumers.making import make_handler, make_stream


def said_of(patterns: list[str], types: list[str]) -> list[dict[str, Any]]:
    """Give what is said for handlers with these patterns where these types exist."""
    routes = Routes(House([make_handler(pattern=pattern) for pattern in patterns]).rooms)
    for name in types:
        routes.add(make_stream(name))
    matches = Matches(routes)
    with capture_logs() as logs:
        matches.say([f"unipile:{name}" for name in types])
        matches.say([])
    return [dict(line) for line in logs]


def test_patterns_that_match_nothing_are_named_beside_what_there_is() -> None:
    """Once, so that a misspelt one is seen."""
    (line,) = said_of(["unipile:mesage.*"], ["message.new", "email.new"])

    assert (line["event"], line["log_level"]) == ("no_stream_matches", "warning")
    assert line["patterns"] == ["unipile:mesage.*"]
    assert line["types"] == ["unipile:email.new", "unipile:message.new"]


def test_each_handler_is_told_with_its_streams() -> None:
    """Also one whose streams all go to others that say more."""
    lines = said_of(["unipile:*", "unipile:message.new"], ["message.new"])

    assert [(line["event"], line["pattern"], line["streams"]) for line in lines] == [
        ("handler_reads", "unipile:*", []),
        ("handler_reads", "unipile:message.new", [make_stream("message.new").key]),
    ]
    assert {line["log_level"] for line in lines} == {"info"}


def test_what_is_said_is_bounded_and_printable() -> None:
    """Names come from senders, and there may be a thousand."""
    types = ["a\x1b[31m", *(f"type_{number:04}" for number in range(SHOWN + 4))]
    (line,) = said_of(["github:*"], types)

    assert len(line["types"]) == SHOWN + 1
    assert line["types"][0] == "unipile:a\\x1b[31m"
    assert line["types"][-1] == "and 5 more"
