"""Which entries an operation means, and how a person says so."""

import pytest

from consumers.operations.select import (
    LAST_ID,
    LAST_NUMBER,
    BadSelection,
    Selection,
    before,
    behind,
    since_of,
    until_of,
)

NOW_MS = 1_791_796_448_130
FIELDS = {
    b"id": b"evt_1",
    b"type": b"message.new",
    b"account": b"acc_1",
    b"reason": b"gave_up",
    b"lasterror": b"HTTPError: Timeout at host",
}


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), True),
        (Selection(types=("message.*",)), True),
        (Selection(types=("email.*", "*.new")), True),
        (Selection(types=("message",)), False),
        (Selection(types=("Message.new",)), False),
        (Selection(account="acc_1"), True),
        (Selection(account="acc_"), False),
        (Selection(reason="gave_up"), True),
        (Selection(reason="poison"), False),
        (Selection(error="timeout"), True),
        (Selection(error="refused"), False),
        (Selection(ids=frozenset({"evt_1"})), True),
        (Selection(ids=frozenset({"5-1", "evt_9"})), True),
        (Selection(ids=frozenset({"5-2"})), False),
        (Selection(since="5-1", until="5-1"), True),
        (Selection(since="5-2"), False),
        (Selection(until="5-0"), False),
        (Selection(since="10-0"), False),
        (Selection(until="10-0"), True),
        (Selection(account="acc_1", reason="poison"), False),
    ],
)
def test_an_entry_is_meant_that_has_all_that_was_asked_for(
    selection: Selection, *, meant: bool
) -> None:
    """Ids are compared as numbers and bounds are part of the range."""
    assert selection.matches("5-1", FIELDS) is meant


def test_fields_that_are_missing_or_no_text_match_what_asks_for_nothing() -> None:
    """A foreign entry can be selected by its id and is no fault."""
    broken = {b"type": b"\xff", b"lasterror": b"\xfe"}

    assert Selection().matches("5-1", {})
    assert Selection(error="").matches("5-1", broken)
    assert not Selection(types=("message.*",)).matches("5-1", broken)
    assert not Selection(account="acc_1").matches("5-1", {})


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("90s", f"{NOW_MS - 90_000}-0", f"{NOW_MS - 90_000}-{LAST_NUMBER}"),
        ("30m", f"{NOW_MS - 1_800_000}-0", f"{NOW_MS - 1_800_000}-{LAST_NUMBER}"),
        ("2h", f"{NOW_MS - 7_200_000}-0", f"{NOW_MS - 7_200_000}-{LAST_NUMBER}"),
        ("7d", f"{NOW_MS - 604_800_000}-0", f"{NOW_MS - 604_800_000}-{LAST_NUMBER}"),
        ("1w", f"{NOW_MS - 604_800_000}-0", f"{NOW_MS - 604_800_000}-{LAST_NUMBER}"),
        ("999999999w", "0-0", f"0-{LAST_NUMBER}"),
        ("2026-10-12T09:14:08.130Z", f"{NOW_MS}-0", f"{NOW_MS}-{LAST_NUMBER}"),
        ("2026-10-12T11:14:08.130+02:00", f"{NOW_MS}-0", f"{NOW_MS}-{LAST_NUMBER}"),
        ("1791796448130-7", "1791796448130-7", "1791796448130-7"),
        ("0005-01", "5-1", "5-1"),
    ],
)
def test_a_bound_is_a_time_ago_a_time_or_an_entry_id(text: str, since: str, until: str) -> None:
    """A time stands for its whole millisecond, an id for itself."""
    assert (since_of(text, NOW_MS), until_of(text, NOW_MS)) == (since, until)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "is no time: write how long ago"),
        ("", "is no time"),
        ("2 h", "is no time"),
        ("1791796448130", "is no time"),
        ("-5-1", "is no time"),
        ("2026-10-12T09:14:08", "has no zone: add Z"),
        ("2026-10-12", "has no zone"),
        (f"{LAST_NUMBER + 1}-0", "is no entry id"),
    ],
)
def test_a_bound_that_is_none_of_them_is_refused_with_how_to_write_it(text: str, said: str) -> None:
    """What was meant is never guessed."""
    with pytest.raises(BadSelection, match=said):
        since_of(text, NOW_MS)


@pytest.mark.parametrize(
    ("entry_id", "larger"),
    [("5-1", "5-2"), (f"5-{LAST_NUMBER}", "6-0"), ("0-0", "0-1")],
)
def test_ids_have_neighbours(entry_id: str, larger: str) -> None:
    """Also where one millisecond ends."""
    assert (behind(entry_id), before(larger)) == (larger, entry_id)


def test_the_first_and_the_last_id_have_none_beyond() -> None:
    """They stay what they are."""
    assert (before("0-0"), behind(LAST_ID)) == ("0-0", LAST_ID)
