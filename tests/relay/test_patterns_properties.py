"""What holds for any two patterns."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from relay.contract.patterns import Pattern

LETTERS = "ab"
GLOBS = st.text(alphabet=LETTERS + "*", min_size=1, max_size=4)
# Long enough for any two globs above: each star has to stand for the other's letters at most.
TEXTS = [
    "".join(letters) for size in range(9) for letters in itertools.product(LETTERS, repeat=size)
]


@given(GLOBS, GLOBS)
def test_overlapping_is_what_trying_every_text_says(one: str, other: str) -> None:
    """Two patterns overlap exactly where some text is matched by both."""
    first, second = Pattern("e", one), Pattern("e", other)
    tried = any(first.matches("e", text) and second.matches("e", text) for text in TEXTS)

    assert first.overlaps(second) is tried
    assert second.overlaps(first) is tried


@given(GLOBS, st.text(alphabet=LETTERS, max_size=6))
def test_matching_is_what_the_stars_allow(glob: str, text: str) -> None:
    """A match is a way to replace each star by a run of the text's letters."""

    def reaches(pattern: str, rest: str) -> bool:
        if not pattern:
            return not rest
        if pattern[0] == "*":
            return any(reaches(pattern[1:], rest[used:]) for used in range(len(rest) + 1))
        return rest[:1] == pattern[0] and reaches(pattern[1:], rest[1:])

    assert Pattern("e", glob).matches("e", text) is reaches(glob, text)
