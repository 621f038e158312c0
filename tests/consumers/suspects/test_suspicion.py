"""What the books hold against an entry, and from when on that matters."""

import pytest

from consumers.suspects.suspicion import INNOCENT, Suspicion, read_suspicion


@pytest.mark.parametrize(
    ("takeovers", "strikes", "runs_alone", "is_poison"),
    [
        (0, 0, False, False),
        (1, 0, False, False),
        (2, 0, True, False),
        (4, 2, True, False),
        (5, 3, False, True),
        (9, 4, False, True),
    ],
)
def test_suspicion_grows_with_takeovers_and_only_strikes_convict(
    takeovers: int, strikes: int, *, runs_alone: bool, is_poison: bool
) -> None:
    """The first takeover may be chance, and a neighbour is taken over just as often."""
    suspicion = Suspicion(takeovers, strikes)

    assert (suspicion.runs_alone, suspicion.is_poison) == (runs_alone, is_poison)


def test_many_takeovers_alone_convict_nobody() -> None:
    """Deploys that go wrong take over everything, again and again."""
    assert not Suspicion(1000, 0).is_poison


@pytest.mark.parametrize("suspicion", [INNOCENT, Suspicion(1, 0), Suspicion(123, 45)])
def test_what_is_written_is_read(suspicion: Suspicion) -> None:
    """As text, and as the bytes that the store gives."""
    assert read_suspicion(suspicion.written()) == suspicion
    assert read_suspicion(suspicion.written().encode()) == suspicion


@pytest.mark.parametrize(
    "value", [None, b"", "", b"x", b"1", b"1 2 3", b"-1 0", b"1e3 0", b"1 \xff"]
)
def test_what_cannot_be_read_speaks_against_nobody(value: bytes | str | None) -> None:
    """At worst a process dies once more."""
    assert read_suspicion(value) == INNOCENT


def test_a_strike_is_added_to_what_is_known() -> None:
    """The value written is a whole one, so that it may be written twice."""
    assert Suspicion(3, 1).struck() == Suspicion(3, 2)
