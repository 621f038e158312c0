"""Text from outside, made safe for a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("evt_1 – héllo 日本", "evt_1 – héllo 日本"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\0", "a\\x0d\\x0ab\\x00"),
        ("a\x9bb", "a\\x9bb"),
        ("a\u202eb\u2028", "a\\u202eb\\u2028"),
        ("\ud83d", "\\ud83d"),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (17, "17"),
        ("x" * 201, "x" * 200 + "…"),
    ],
)
def test_what_is_shown(text: object, shown: str) -> None:
    """What a terminal acts upon is written out, the rest is left as it is."""
    assert printable(text) == shown


@given(st.text(alphabet=st.characters()) | st.binary())
def test_nothing_that_acts_is_left(text: str | bytes) -> None:
    """Whatever came in, one line of visible characters and blanks comes out."""
    shown = printable(text)

    assert {unicodedata.category(character) for character in shown}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    )
    assert shown.splitlines() in ([], [shown])
