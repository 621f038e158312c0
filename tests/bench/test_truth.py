"""The check after a round finds what is lost, doubled or foreign, and nothing else."""

import pytest

from bench.truth import look

SENT = {b"1", b"2", b"3", b"4"}


@pytest.mark.parametrize(
    ("unanswered", "stored", "words"),
    [
        (0, [b"1", b"2", b"3", b"4"], []),
        (1, [b"1", b"2", b"3", b"4"], []),
        (1, [b"1", b"2", b"3"], []),
        (0, [b"1", b"2", b"3"], ["1 accepted events are not in the streams"]),
        (1, [b"1", b"2"], ["1 accepted events are not in the streams"]),
        (0, [b"1", b"2", b"3", b"4", b"2"], ["1 events have a second entry"]),
        (0, [b"1", b"2", b"3", b"4", b"9"], ["1 entries have an id that was not sent"]),
        (0, [b"1", b"2", b"3", b"9"], ["1 accepted", "1 entries have an id that was not sent"]),
        (4, [], []),
    ],
)
def test_faults(unanswered: int, stored: list[bytes], words: list[str]) -> None:
    """Only what had no answer may be missing."""
    faults = look(SENT, unanswered, stored).faults()

    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))
