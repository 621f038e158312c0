"""What commands show: nothing in it acts on a terminal, and programs can read it."""

import json

import pytest

from relay.contract.display import show, show_line, time_text
from relay.contract.drawn import draw

HOSTILE = "evt\x1b[2J\u202e[red]x"
ROWS = [{"name": HOSTILE, "count": 3, "groups": ["a", "b\x07"], "seen": None, "on": True}]
COLUMNS = ("name", "count", "groups", "seen", "on")


def test_a_table_shows_what_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences are written out and markup is text."""
    show(ROWS, COLUMNS, as_json=False)

    said = capsys.readouterr().out
    assert "evt\\x1b[2J\\u202e[red]x" in said
    assert "a, b\\x07" in said
    assert "yes" in said
    assert "\x1b" not in said


def test_a_row_is_one_line_of_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A long value is not wrapped where nobody looks."""
    show([{"name": "n" * 150, "other": "o" * 150}], ("name", "other"), as_json=False)

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_what_a_row_is_called_by_stays_whole_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is to be copied; the other columns are broken over lines instead."""
    monkeypatch.setenv("COLUMNS", "60")
    row = ["unipile/1796001334494-0", *(str(number) * 40 for number in range(4))]
    draw(["id", "a", "b", "c", "d"], [row], right=[False] * 5)

    assert row[0] in capsys.readouterr().out


def test_json_is_one_document_with_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    """A program gets the values as they are, in ASCII."""
    show(ROWS, ("name",), as_json=True)

    said = capsys.readouterr().out
    assert json.loads(said) == ROWS
    assert said.isascii()
    assert said.count("\n") == 1


def test_nothing_is_said_in_words_or_as_an_empty_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without rows people get a sentence and programs an empty array."""
    show([], ("name",), as_json=False, empty="No stream yet.")
    show([], ("name",), as_json=True)

    assert capsys.readouterr().out == "No stream yet.\n[]\n"


def test_a_line_holds_the_columns_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """One row is one line, whatever it holds."""
    show_line({"b": "x\ny", "a": 1}, ("a", "b", "c"), as_json=False)
    show_line({"b": b"bytes"}, ("b",), as_json=True)

    assert capsys.readouterr().out == '1  x\\x0ay  -\n{"b": "bytes"}\n'


@pytest.mark.parametrize(
    ("ms", "text"), [(1_791_796_448_123, "2026-10-12T09:14:08.123Z"), (10**20, None)]
)
def test_times(ms: int, text: str | None) -> None:
    """A number that is no time has no text."""
    assert time_text(ms) == text
