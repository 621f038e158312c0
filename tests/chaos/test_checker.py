"""The checker finds each broken promise, and nothing where all were kept."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import both, judge, repeated
from tests.chaos.evidence import Act, Evidence, Run
from tests.chaos.rules import ATTEMPTS


def kept(**changes: Any) -> Evidence:
    """Give what a good run of one group leaves behind, but for the changes."""
    good = Evidence(
        intended={"e1", "e2", "e3"},
        accepted={"e1", "e2"},
        stored={"a": ["e1"], "b": ["e2"]},
        runs={"crm": [Run("e1", "1-0", 1, "failed"), Run("e1", "1-0", 2, "done")]},
        dead={"crm": {"e2": "gave_up"}},
        acts={"crm": [Act(1, "k", "1-0")]},
    )
    return replace(good, **changes)


def test_a_run_that_kept_every_promise_is_not_blamed() -> None:
    """What was intended and never accepted may be missing."""
    assert judge(kept()) == []


def test_what_was_settled_and_trimmed_is_not_missed() -> None:
    """A server that was full has been trimmed."""
    assert judge(kept(stored={"a": [], "b": []})) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dead": {"crm": {}}}, "1 accepted, neither handled nor dead in crm: e2"),
        (
            {"runs": {"crm": [Run("e1", "1-0", 1, "failed")]}},
            "1 accepted, neither handled nor dead",
        ),
        ({"runs": {"crm": [Run("e1", "1-0", 1, None)]}}, "1 accepted, neither handled nor dead"),
        ({"stored": {"a": ["e1", "e3"]}}, "1 stored, neither handled nor dead in crm: e3"),
        ({"stored": {"a": ["e1", "e1"]}}, "1 twice in a stream: e1"),
        ({"stored": {"a": ["e1"], "b": ["e2", "e1"]}}, "1 twice in a stream: e1"),
        ({"intended": {"e1"}}, "1 handled in crm and never sent: e2"),
        ({"left": ["1 pending"]}, "1 pending"),
        ({"troubles": ["it ended"]}, "it ended"),
        (
            {
                "runs": {
                    "crm": [Run("e1", "1-0", 1, "done"), Run("e1", "1-0", ATTEMPTS + 1, "failed")]
                }
            },
            "1 tried more often than allowed in crm: e1",
        ),
    ],
)
def test_each_broken_promise_is_found(changes: dict[str, Any], said: str) -> None:
    """With the events that it was broken for."""
    assert any(said in fault for fault in judge(kept(**changes)))


@pytest.mark.parametrize(
    ("acts", "broken"),
    [
        ([Act(1, "k", "1-0"), Act(1, "k", "2-0")], False),
        ([Act(1, "k", "2-0"), Act(1, "k", "1-0")], True),
        # Numbers, not words.
        ([Act(1, "k", "9-0"), Act(1, "k", "10-0")], False),
        ([Act(1, "k", "1-9"), Act(1, "k", "1-10")], False),
        # Another key has an order of its own.
        ([Act(1, "k", "2-0"), Act(1, "other", "1-0")], False),
        # A new owner repeats what the former one did.
        ([Act(1, "k", "1-0"), Act(1, "k", "2-0"), Act(2, "k", "1-0"), Act(2, "k", "2-0")], False),
        # A former owner's act is refused, so it is neither early nor late.
        ([Act(2, "k", "1-0"), Act(1, "k", "5-0"), Act(2, "k", "2-0")], False),
        ([Act(2, "k", "2-0"), Act(1, "k", "1-0")], False),
        ([Act(1, "k", "2-0"), Act(2, "k", "1-0")], True),
    ],
)
def test_order_is_judged_by_the_first_act_for_each_entry(acts: list[Act], *, broken: bool) -> None:
    """Of those that whoever stores effects would take."""
    found = [fault for fault in judge(kept(acts={"crm": acts})) if "order" in fault]

    assert bool(found) is broken


def test_what_may_happen_is_counted() -> None:
    """A second good run, and an event that a late success and a dead letter share."""
    runs = [Run("e1", "1-0", 1, "done"), Run("e1", "1-0", 1, "done"), Run("e2", "2-0", 1, "done")]
    evidence = kept(runs={"crm": runs})

    assert judge(evidence) == []
    assert (repeated(evidence, "crm"), both(evidence, "crm")) == (1, 1)
