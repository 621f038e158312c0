"""What an endpoint would have dropped, told by the type alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.patterns import parse_pattern
from relay.filters import fitting
from relay.reconcile.unwanted import fate_of
from tests.making import make_event
from tests.relay.filtering import filtering

TYPES = ("message.new", "message.own", "email.new")
PATTERNS = ("unipile:message.*", "*:email.new", "unipile:message.own")
RULES = st.fixed_dictionaries(
    {},
    optional={
        "types": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        "accounts": st.just(["acc_1"]),
        "look": st.just({"pointer": "/a", "exists": True}),
        "end": st.just({"then": "divert", "to": "other"}),
    },
).filter(lambda rule: rule.keys() & {"types", "accounts", "look"})


def table(rule: dict[str, Any]) -> dict[str, Any]:
    """Write a rule as the file has it."""
    return {
        **{key: rule[key] for key in ("types", "accounts") if key in rule},
        **rule.get("look", {}),
        **rule.get("end", {}),
    }


@given(
    rules=st.lists(RULES, max_size=4),
    accounts=st.sampled_from([frozenset(), frozenset({"acc_1"})]),
    patterns=st.lists(st.sampled_from(PATTERNS), max_size=2),
    event_type=st.sampled_from([None, *TYPES]),
    account=st.sampled_from([None, "acc_1", "acc_2"]),
)
def test_a_fate_is_said_where_it_is_that_of_every_such_event(
    rules: list[dict[str, Any]],
    accounts: frozenset[str],
    patterns: list[str],
    event_type: str | None,
    account: str | None,
) -> None:
    """Whatever its body and its account are, and no other fate is said.

    The account that is given only says to which the endpoint is restricted now.
    """
    endpoint = filtering(
        *map(table, rules), accounts=accounts, event_types=tuple(map(parse_pattern, patterns))
    )
    # Kept is said of those of the account, dropped of all.
    accounts_meant = ["acc_1"] if account in accounts else ["acc_1", "acc_2"]
    events = [
        make_event(type=each, account=one, data=data)
        for each in (TYPES if event_type is None else [event_type])
        for one in ("acc_1", "acc_2")
        for data in (b"{}", b'{"a":1}')
    ]
    fits = [(event.account, fitting(event, endpoint)) for event in events]
    fates = {
        ("dropped" if fit is not None and fit.to is None else "kept", one) for one, fit in fits
    }

    said = fate_of(endpoint, event_type, account)

    if said == "kept":
        assert {fate for fate, one in fates if one in accounts_meant} == {said}
    elif said == "dropped":
        assert {fate for fate, _ in fates} == {said}
    elif event_type is not None:
        # Several conditions may agree by chance; one alone never does.
        assert {fate for fate, _ in fates} == {"dropped", "kept"} or len(rules) + len(accounts) > 1


@pytest.mark.parametrize(
    ("rules", "fate"),
    [
        ([{"types": ["unipile:message.*"]}], "dropped"),
        ([{"types": ["unipile:message.*"], "then": "divert", "to": "own"}], "kept"),
        ([{"types": ["unipile:email.*"]}], "kept"),
        ([{"pointer": "/a", "exists": True}], "unclear"),
        ([{"accounts": ["acc_1"]}], "unclear"),
        ([{"pointer": "/a", "exists": True}, {"types": ["*:*"]}], "dropped"),
        ([{"types": ["*:*"], "then": "divert", "to": "own"}, {"types": ["*:*"]}], "kept"),
    ],
)
def test_the_first_rule_that_surely_fits_decides(rules: list[dict[str, Any]], fate: str) -> None:
    """One that may fit decides only where it comes to the same."""
    assert fate_of(filtering(*rules), "message.new") == fate


def test_no_account_says_alone_that_an_event_was_dropped() -> None:
    """The sender's endpoint may have been restricted to another when the event was tried."""
    endpoint = filtering({"accounts": ["acc_1"]}, accounts=frozenset({"acc_2"}))

    assert fate_of(endpoint, "message.new", "acc_1") == "unclear"
