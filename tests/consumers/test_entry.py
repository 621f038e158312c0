"""An entry that a process holds, and what the books know of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.entry import History, fields_of, read_history, written
from relay.contract.keys import entry_of
from tests.consumers.making import make_entry, make_stream
from tests.consumers.waiting_long import make_again


def test_an_entrys_name_in_the_books_has_its_type() -> None:
    """One script call gives entries of several types the same id."""
    one = make_entry("17-2", stream=make_stream("a"))
    other = make_entry("17-2", stream=make_stream("b"))

    assert one.member != other.member
    assert entry_of(one.member) == ("17-2", "a")


def test_an_entry_that_is_given_again_has_a_name_of_its_own() -> None:
    """Its stream and its type's may have equal entry ids."""
    one = make_entry("17-2", stream=make_stream("a"))
    other = make_entry("17-2", stream=make_again("a"))

    assert one.member != other.member
    assert entry_of(other.member) == ("17-2", "@again:a")


@pytest.mark.parametrize(
    ("again", "told", "origin_id"),
    [
        (True, b"7-1", "7-1"),
        (True, b"", "17-2"),
        (True, b"yesterday", "17-2"),
        (False, b"7-1", "17-2"),
    ],
    ids=["told", "not told", "no id", "not a copy"],
)
def test_an_entry_that_is_given_again_tells_where_it_stood_first(
    told: bytes, origin_id: str, *, again: bool
) -> None:
    """Its age counts from then."""
    stream = make_again() if again else make_stream()
    entry = make_entry("17-2", stream=stream, fields={b"entryid": told})

    assert entry.origin_id == origin_id
    assert entry.stored_at_ms == int(origin_id.split("-", maxsplit=1)[0])


def test_names_of_equal_due_times_sort_by_age() -> None:
    """Numbers are padded, since the store compares texts."""
    ids = ["9-0", "10-0", "10-2", "10-10"]

    assert sorted(make_entry(entry_id).member for entry_id in reversed(ids)) == [
        make_entry(entry_id).member for entry_id in ids
    ]


def test_an_entry_tells_when_it_was_stored_and_how_large_it_is() -> None:
    """By its id, which the store made, and by the lengths of its values."""
    entry = make_entry("1791796448123-7", fields={b"data": b"12345", b"id": b"1"})

    assert entry.stored_at_ms == 1_791_796_448_123
    assert entry.size_bytes == 6


def test_a_streams_endpoint_has_no_partition() -> None:
    """Patterns are about endpoints."""
    assert make_stream(tag="unipile#3").endpoint == "unipile"


def test_a_raw_reply_is_paired_up() -> None:
    """Names and values come in turn."""
    assert fields_of([b"a", b"1", b"b", b"2"]) == {b"a": b"1", b"b": b"2"}


def test_history_keeps_the_first_error() -> None:
    """The last one is written where the event ends; the first would be forgotten."""
    history = History().after("ValueError: one").after("KeyError: two")

    assert history == History(2, "ValueError: one")


def test_history_counts_what_was_postponed_apart() -> None:
    """It is a run, and no failure."""
    history = History().after_postponing().after("ValueError: one").after_postponing()

    assert history == History(3, "ValueError: one", 2)


def test_the_first_run_is_remembered_from_the_first_failure_on() -> None:
    """Later runs do not move it."""
    entry = make_entry().seen(5.0)
    history = entry.history.after("ValueError: one")
    later = make_entry(history=read_history(written(history)))

    assert later.seen(9.0).history == History(1, "ValueError: one", first_seen=5.0)


@given(st.integers(min_value=0, max_value=10**6), st.text(st.characters()))
def test_a_written_history_reads_the_same(attempts: int, error: str) -> None:
    """Also with an error that UTF-8 cannot write: then what it cannot is replaced."""
    history = History(attempts).after(error)

    assert read_history(written(history)) == history
    assert history.attempts == attempts + 1


@pytest.mark.parametrize("value", [None, b"", "", b"not json", b"[]", b'{"attempts":"x"}', b"\xff"])
def test_an_unreadable_history_counts_as_none(value: bytes | str | None) -> None:
    """The event is tried again from the start rather than never."""
    assert read_history(value) == History()


def test_fields_that_are_not_known_are_passed_over() -> None:
    """A newer version may write more."""
    assert read_history(b'{"attempts":2,"strikes":1}') == History(2)


def test_a_history_of_an_older_version_is_read() -> None:
    """It does not say when the first run began."""
    assert read_history(b'{"attempts":2,"first_error":"E"}') == History(2, "E")
