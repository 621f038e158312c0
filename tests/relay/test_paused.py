"""How what is paused is written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.patterns import parse_pattern
from relay.contract.paused import EVERYTHING, Pause, read_pauses
from relay.contract.stream import Stream

OWN = Stream("unipile#3", "message.new", "k")
AGAIN = Stream("unipile#3", "message.new", "k2", again=True)


@given(
    group=st.text("a9", min_size=1, max_size=9),
    pattern=st.text("a*. :", min_size=1, max_size=30).map(lambda text: f"*:{text}"),
    since_ms=st.integers(0, 2**53),
    words=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_what_was_written_is_read(group: str, pattern: str, since_ms: int, words: str) -> None:
    """Whatever the pattern and the reason hold."""
    pause = Pause(
        group=group, pattern=parse_pattern(pattern), since_ms=since_ms, by=words, reason=words
    )

    assert read_pauses({pause.field.encode(): pause.value}) == [pause]


@given(fields=st.dictionaries(st.binary(), st.binary()))
def test_what_is_none_of_ours_is_passed_over(fields: dict[bytes, bytes]) -> None:
    """The book may hold anything; reading it never raises."""
    assert len(read_pauses(fields)) <= len(fields)


@pytest.mark.parametrize("value", [b"", b"not JSON", b'{"since": "yesterday"}', b"[]"])
def test_the_field_alone_pauses(value: bytes) -> None:
    """Where only the words about it cannot be read."""
    assert read_pauses({b"crm *:*": value}) == [Pause(group="crm", pattern=EVERYTHING)]


def test_a_pause_means_all_partitions_and_what_is_given_again() -> None:
    """The pattern is of endpoints and types."""
    pause = Pause(group="crm", pattern=parse_pattern("unipile:message.*"))

    assert pause.means(OWN)
    assert pause.means(AGAIN)
    assert not pause.means(Stream("unipile", "email.new", "k"))
    assert not pause.means(Stream("github", "message.new", "k"))
