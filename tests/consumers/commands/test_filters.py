"""How the commands about dead letters say which of them are meant."""

from dataclasses import fields
from typing import Any

import pytest

from consumers.commands.filters import Filters
from consumers.operations.select import Selection
from relay.contract.explain import WRONG_USAGE, CommandFailed

NOW_MS = 1_791_796_448_130


def test_what_was_typed_becomes_what_is_meant() -> None:
    """Each option is one part of it."""
    filters = Filters(
        endpoint="unipile",
        group="crm",
        types=["message.*", "email.new"],
        account="acc_1",
        reason="poison",
        error="timeout",
        since="1h",
        until="5000000000000-3",
        event_ids=["evt_1"],
        letters=["7-1"],
    )
    choice = filters.choice(now_ms=NOW_MS, limit=7)

    assert (choice.endpoint, choice.group, choice.limit) == ("unipile", "crm", 7)
    assert choice.selection == Selection(
        types=("message.*", "email.new"),
        account="acc_1",
        reason="poison",
        error="timeout",
        since=f"{NOW_MS - 3_600_000}-0",
        until="5000000000000-3",
        ids=frozenset({"evt_1", "7-1"}),
    )


def test_nothing_typed_means_everything() -> None:
    """No part of it leaves anything out."""
    assert Filters().choice(now_ms=NOW_MS).selection == Selection()


def test_letters_that_are_named_are_looked_for_only_where_they_are() -> None:
    """Between the first and the last of them, and within the times."""
    selection = Filters(letters=["7-1", "10-0"]).choice(now_ms=NOW_MS).selection
    bounded = Filters(letters=["7-1", "10-0"], since="8-0", until="9-9").choice(now_ms=NOW_MS)

    assert (selection.since, selection.until) == ("7-1", "10-0")
    assert (bounded.selection.since, bounded.selection.until) == ("8-0", "9-9")


def test_a_time_that_is_none_is_a_mistake_of_the_one_who_typed_it() -> None:
    """Said with how to write it."""
    with pytest.raises(CommandFailed, match="is no time: write how long ago") as refused:
        Filters(since="lately").choice(now_ms=NOW_MS)

    assert refused.value.exit_code == WRONG_USAGE


def test_they_are_written_as_they_are_typed_with_another_bound() -> None:
    """So that the command can be copied from the terminal, whatever is in it."""
    filters = Filters(group="crm", types=["a*", "b c"], error="it's", until="2h", letters=["7-1"])

    assert filters.words(until="9-9") == (
        "--group crm --type 'a*' --type 'b c' --error 'it'\"'\"'s' --until 9-9 --letter 7-1"
    )


def test_a_time_that_was_typed_gives_way_to_the_letter_it_means() -> None:
    """So that it means the same when it is typed again."""
    assert Filters(since="2h").words(since="7-0", until="9-9") == "--since 7-0 --until 9-9"
    assert Filters(since="2h").words(until="9-9") == "--since 2h --until 9-9"


def test_every_filter_is_written() -> None:
    """None is forgotten where a command is told to go on."""
    every: dict[str, Any] = {name: ["x"] for name in ("types", "event_ids", "letters")}
    for field in fields(Filters):
        words = Filters(**{field.name: every.get(field.name, "x")}).words(until="9-9")

        assert words.count("--") == (1 if field.name == "until" else 2)
