"""The wish to end: one signal in order, two at once, and two that are one."""

import signal
from typing import Any

import pytest

from consumers.starting.ending import ONE_WISH_SECONDS, SIGNALS, Ending

HEARD = (*SIGNALS, signal.SIGHUP)


@pytest.mark.parametrize(
    ("signals_at", "wished", "hurries"),
    [
        ([], False, 0),
        ([5.0], True, 0),
        ([5.0, 5.0 + ONE_WISH_SECONDS], True, 1),
        ([5.0, 5.0, 5.1], True, 0),
        ([5.0, 5.1, 9.0], True, 1),
        ([5.0, 7.0, 9.0], True, 1),
    ],
)
def test_a_second_signal_is_urgent_unless_it_is_the_first_once_more(
    signals_at: list[float], *, wished: bool, hurries: int
) -> None:
    """A terminal and a wrapper that both pass a Ctrl-C on mean one."""
    now = 0.0
    said: list[str] = []
    ending = Ending(clock=lambda: now)
    ending.on_hurry = lambda: said.append("hurry")
    for now in signals_at:  # noqa: B007 - the clock reads it
        ending.signalled()

    assert ending.wished.is_set() == wished
    assert len(said) == hurries


def test_a_signal_beside_a_parents_word_is_no_second_one() -> None:
    """Where SIGTERM goes to every process of a service, a child hears of the end twice."""
    said: list[str] = []
    ending = Ending(clock=lambda: 5.0)
    ending.on_hurry = lambda: said.append("hurry")
    ending.begin()
    ending.signalled()
    before = list(said)
    ending.hurry()
    ending.hurry()

    assert before == []
    assert said == ["hurry"]


@pytest.mark.parametrize(
    ("before", "is_heard"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)], ids=["own", "nohup"]
)
async def test_a_closed_terminal_is_a_wish_unless_it_was_to_be_outlived(
    before: Any, *, is_heard: bool
) -> None:
    """Else a worker would be gone without handing back what it holds."""
    found = {number: signal.signal(number, signal.SIG_DFL) for number in HEARD}
    signal.signal(signal.SIGHUP, before)
    Ending().listen()
    heard = signal.getsignal(signal.SIGHUP) is not before
    for number, handler in found.items():
        signal.signal(number, handler)

    assert heard == is_heard
