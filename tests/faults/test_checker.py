"""The checker finds each kind of broken promise where one was planted, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.faults.checker import Left, judge, say
from tests.faults.scenario import Outcome, Scenario, Stage, is_a_run
from tests.faults.scenarios import ALL
from tests.faults.suite import play

GOOD: dict[str, Any] = {
    "intended": {"e1", "e2", "e3"},
    "accepted": {"e1", "e2"},
    "stored": ["e1", "e2"],
    "handled": {"e1", "e2"},
}


async def nothing(stage: Stage) -> None:
    """Play nothing."""


def outcome(*unknown: int, may_lose: bool = False, **changes: Any) -> Outcome:
    """Give what came of a scenario that has left this behind."""
    stage = Stage(Path(), "valkey", len(unknown), 7)
    for count in unknown:
        stage.end_round(count)
    stage.conclude(Left(**GOOD | changes))
    return Outcome(Scenario("s", "t", nothing, 1, may_lose=may_lose), stage, 0.0)


def test_what_was_kept_is_not_blamed() -> None:
    """An event that was never accepted may be missing, or be there."""
    assert say(judge(Left(**GOOD))) == []
    assert outcome(stored=["e1", "e2", "e3"]).broken == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stored": ["e1"]}, "1 lost: e2"),
        ({"stored": []}, "2 lost: e1, e2"),
        ({"stored": ["e1", "e2", "e1"]}, "1 doubled: e1"),
        # Accepted or not: two entries are two.
        ({"stored": ["e1", "e2", "e3", "e3"]}, "1 doubled: e3"),
        ({"stored": ["e1", "e2", "e9"]}, "1 phantom: e9"),
        ({"handled": {"e1"}}, "1 unhandled: e2"),
    ],
)
def test_what_was_planted_is_found(changes: dict[str, Any], said: str) -> None:
    """With the events that it happened to, and nothing else."""
    assert outcome(**changes).broken == [said]


def test_where_nothing_is_promised_losses_are_counted_and_not_blamed() -> None:
    """Anything else is blamed there too."""
    lossy = outcome(may_lose=True, stored=["e1", "e1"])

    assert lossy.broken == ["1 doubled: e1"]
    assert lossy.total("lost") == 1


def test_without_handlers_nobody_is_asked_whether_anything_was_handled() -> None:
    """Most scenarios have none."""
    assert outcome(handled=None).broken == []


def test_troubles_of_a_scenario_are_blamed() -> None:
    """Such as a wrong answer, or a store that did not come up."""
    made = outcome()
    made.stage.troubles.append("3 were answered 404")

    assert made.broken == ["3 were answered 404"]


@pytest.mark.parametrize(
    ("unknown", "enough"), [((1, 0, 0, 0, 0), True), ((1, 0, 0, 0, 0, 0), False), ((), False)]
)
def test_a_run_needs_a_fifth_of_its_rounds_with_an_unknown_outcome(
    unknown: tuple[int, ...], *, enough: bool
) -> None:
    """Else the faults have hit nothing."""
    assert is_a_run([outcome(*unknown)]) is enough


def test_where_nothing_was_accepted_nothing_is_shown() -> None:
    """Such as by a record that nobody has written."""
    empty = outcome(intended=set(), accepted=set(), stored=[], handled=None)

    assert empty.broken == ["nothing was accepted, so nothing was shown"]


@pytest.mark.parametrize("error", [RedisError("no"), TimeoutError("no"), AssertionError("no")])
async def test_a_scenario_that_breaks_off_is_blamed_and_ends_no_other(error: Exception) -> None:
    """It may be the last of half an hour."""

    async def broken_off(_: Stage) -> None:
        raise error

    played = await play(Scenario("s", "t", broken_off, 1), "valkey", 7, rounds=1)

    assert any(text.startswith("it came to no end") for text in played.broken)


def test_scenarios_have_names_of_their_own() -> None:
    """By which they are chosen, and their results are kept."""
    assert len({scenario.name for scenario in ALL}) == len(ALL)
