"""Patterns that choose streams."""

import pytest

from relay.contract.patterns import parse_pattern


@pytest.mark.parametrize(
    ("pattern", "endpoint", "event_type", "meant"),
    [
        ("unipile:message.new", "unipile", "message.new", True),
        ("unipile:message.new", "unipile", "message.newer", False),
        ("unipile:message.*", "unipile", "message.new", True),
        ("unipile:message.*", "unipile", "message.", True),
        ("unipile:message.*", "unipile", "email.new", False),
        ("*:message.new", "github", "message.new", True),
        ("uni*:*", "unipile", "a:b/c", True),
        ("uni*:*", "github", "a", False),
        ("*:*", "github", "push", True),
        ("unipile:a:b", "unipile", "a:b", True),
        ("unipile:*:b", "unipile", "a:b", True),
        ("unipile:a.b", "unipile", "axb", False),
        ("unipile:*new*", "unipile", "message.new.one", True),
    ],
)
def test_what_a_pattern_means(pattern: str, endpoint: str, event_type: str, *, meant: bool) -> None:
    """A star stands for any run of characters; everything else stands for itself."""
    assert parse_pattern(pattern).matches(endpoint, event_type) is meant


@pytest.mark.parametrize("text", ["", "unipile", ":a", "unipile:", ":"])
def test_what_is_no_pattern(text: str) -> None:
    """Both sides of the colon are needed, and the error shows how to write them."""
    with pytest.raises(ValueError, match=r"endpoint:type"):
        parse_pattern(text)


def test_patterns_are_shown_as_written() -> None:
    """A pattern reads as the user wrote it."""
    assert str(parse_pattern("unipile:message.*:x")) == "unipile:message.*:x"


def test_the_more_a_pattern_says_the_more_specific_it_is() -> None:
    """From the widest pattern to the narrowest, specificity grows."""
    texts = ["*:*", "*:message.*", "unipile:*.new", "unipile:message.*", "unipile:message.new"]
    found = [parse_pattern(text).specificity for text in texts]

    assert found == sorted(set(found))


def test_no_star_is_more_specific_than_a_star_that_stands_for_nothing() -> None:
    """Of two patterns with the same characters the one without a star is narrower."""
    exact, open_ended = parse_pattern("a:bc"), parse_pattern("a:bc*")

    assert exact.specificity > open_ended.specificity


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a:b", "a:b", True),
        ("a:b", "a:c", False),
        ("a:*", "*:b", True),
        ("a:*x", "a:y*", True),
        ("a:x*", "a:y*", False),
        ("a:*.new", "b:*.new", False),
    ],
)
def test_patterns_that_overlap(one: str, other: str, *, overlap: bool) -> None:
    """Two patterns overlap where one stream could be meant by both."""
    assert parse_pattern(one).overlaps(parse_pattern(other)) is overlap
    assert parse_pattern(other).overlaps(parse_pattern(one)) is overlap
