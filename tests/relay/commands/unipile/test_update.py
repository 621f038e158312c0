"""``relay unipile endpoints update``, ``enable``, ``disable`` and ``delete``."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.commands.unipile import confirming
from relay.unipile.stand_in import Rules, StandIn
from tests.relay.commands.unipile.asked import (
    HOOK,
    KEY,
    OLD,
    Ask,
    ask,
    configured,
    said_of,
    secrets_of,
    state_of,
    unipile,
)
from tests.relay.commands.unipile.test_create import System
from tests.relay.unipile.standing import standing

__all__ = ["ask", "configured", "unipile"]

EVENTS = ["message.new", "chat.update"]


def added(unipile: StandIn, *accounts: str) -> str:
    """Register an endpoint, and give its id."""
    return unipile.add_endpoint(HOOK, EVENTS, accounts).id


# Changes.


@pytest.mark.parametrize(
    ("accounts", "arguments", "field", "after"),
    [
        ((), ["--url", "https://new.example.com/x"], "url", "https://new.example.com/x"),
        ((), ["--description", "CRM"], "description", "CRM"),
        ((), ["--event", "chat.*"], "trigger_events", ("chat.delete", "chat.update")),
        ((), ["--add-event", "email.new"], "trigger_events", (*EVENTS, "email.new")),
        ((), ["--remove-event", "message.*"], "trigger_events", ("chat.update",)),
        (
            (),
            ["--add-event", "email.new", "--remove-event", "chat.update"],
            "trigger_events",
            ("message.new", "email.new"),
        ),
        ((), ["--account", "acc_1"], "account_ids", ("acc_1",)),
        (("acc_1",), ["--add-account", "acc_2"], "account_ids", ("acc_1", "acc_2")),
        (("acc_1", "acc_2"), ["--remove-account", "acc_1"], "account_ids", ("acc_2",)),
        (("acc_1",), ["--account", "acc_2"], "account_ids", ("acc_2",)),
        (
            ("acc_1",),
            ["--add-account", "acc_2", "--remove-account", "acc_1"],
            "account_ids",
            ("acc_2",),
        ),
        (("acc_1",), ["--all-accounts"], "account_ids", ()),
        (("acc_1",), ["--all-accounts", "--remove-account", "acc_1"], "account_ids", ()),
    ],
)
def test_one_thing_is_changed(
    ask: Ask,
    unipile: StandIn,
    accounts: tuple[str, ...],
    arguments: list[str],
    field: str,
    after: object,
) -> None:
    """And everything else stays."""
    there = added(unipile, *accounts)
    before = unipile.endpoints[there]
    said = said_of(ask("update", before.id, *arguments, "--json"))
    now = unipile.endpoints[before.id]
    changed = [
        name for name in now.__struct_fields__ if getattr(now, name) != getattr(before, name)
    ]

    assert said["did"] == "updated"
    assert getattr(now, field) == after
    assert changed == [field]


def test_the_account_list_goes_with_every_update(relay: Any, tmp_path: Path) -> None:
    """Where Unipile takes an update without it for all accounts, nothing is widened."""
    with standing(api_key=KEY, rules=Rules(omitted_accounts_reset=True)) as unipile:
        unipile.add_account("acc_1")
        there = unipile.add_endpoint(HOOK, EVENTS, ["acc_1"])
        environ = {"UNIPILE_API_KEY": KEY, "UNIPILE_API_URL": unipile.url}
        for words in (["update", there.id, "--description", "x"], ["disable", there.id]):
            done = relay("unipile", "endpoints", *words, **environ)
            assert done.exit_code == 0, done.output
        now = unipile.endpoints[there.id]

    assert (now.account_ids, now.description, now.enabled) == (("acc_1",), "x", False)


def test_a_list_says_that_it_covers_no_later_accounts(ask: Ask, unipile: StandIn) -> None:
    """One that has none says nothing of that."""
    there = added(unipile, "acc_1")
    shown = ask("update", there, "--add-account", "acc_2").stdout

    assert "linked later are not covered" in shown
    assert "account_targets: acc_1 Grace Example linkedin active, acc_2" in shown
    assert "later" not in ask("update", there, "--all-accounts").stdout


@pytest.mark.parametrize(
    "words",
    [
        ["update", "--url", HOOK, "--event", "chat.update", "--event", "message.new"],
        ["update", "--add-event", "message.new", "--description", ""],
        ["update", "--add-account", "acc_1"],
        ["enable"],
    ],
)
def test_nothing_to_change_sends_nothing(ask: Ask, unipile: StandIn, words: list[str]) -> None:
    """And says so."""
    there = added(unipile, "acc_1")
    unipile.fail_next("PATCH", "*", 500)
    said = said_of(ask(words[0], there, *words[1:], "--json"))

    assert said["did"] == "nothing"
    assert "nothing was sent" in said["says"][0]
    assert unipile.faults_waiting == 1


@pytest.mark.parametrize(
    ("accounts", "arguments", "words"),
    [
        ((), [], "Say what is to be changed"),
        (("acc_1",), ["--remove-account", "acc_1"], "that means all accounts"),
        ((), ["--remove-account", "acc_1"], "takes all accounts, and has no list"),
        ((), ["--add-account", "acc_1"], "takes all accounts, and has no list"),
        (("acc_1",), ["--remove-account", "acc_2"], "not among its accounts"),
        (("acc_1",), ["--all-accounts", "--add-account", "acc_2"], "leaves no list"),
        (("acc_1",), ["--all-accounts", "--remove-account", "acc_2"], "not among its"),
        (("acc_1",), ["--account", ""], "must not be empty"),
        (("acc_1",), ["--add-account", " "], "must not be empty"),
        (("acc_1",), ["--account", "acc_2", "--add-account", "acc_2"], "the whole list"),
        ((), ["--event", "chat.*", "--remove-event", "chat.*"], "the whole list"),
        ((), ["--remove-event", "*"], "No event would be left"),
        ((), ["--remove-event", "email.new"], "not among its events"),
        ((), ["--url", "ftp://hooks.example.com"], "is no URL"),
    ],
)
def test_what_nobody_can_have_meant_changes_nothing(
    ask: Ask, unipile: StandIn, accounts: tuple[str, ...], arguments: list[str], words: str
) -> None:
    """It is wrong usage."""
    there = added(unipile, *accounts)
    before = unipile.endpoints
    done = ask("update", there, *arguments)

    assert done.exit_code == 2
    assert words in done.stderr
    assert unipile.endpoints == before


def test_a_list_with_a_deleted_account_says_how_to_go_on(ask: Ask, unipile: StandIn) -> None:
    """Unipile may refuse the whole list for it."""
    there = added(unipile, "acc_1", "acc_2")
    unipile.remove_account("acc_2")
    done = ask("disable", there)

    assert done.exit_code == 1
    assert f"`relay unipile endpoints update {there} --remove-account acc_2`" in done.stderr
    assert ask("update", there, "--remove-account", "acc_2").exit_code == 0
    assert unipile.endpoints[there].account_ids == ("acc_1",)


def test_what_unipile_makes_of_it_otherwise_is_said(
    ask: Ask, unipile: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 1, since it is not as wanted."""
    there = added(unipile, "acc_1")
    monkeypatch.setattr(
        "relay.commands.unipile.endpoints.apply.differing",
        lambda endpoint, wanted: ["trigger_events"],
    )
    done = ask("update", there, "--description", "x")

    assert done.exit_code == 1
    assert "answers with other events than it was asked for" in done.stderr
    assert "description: x" in done.stdout


# On and off.


def test_an_endpoint_is_switched_off_and_on(ask: Ask, unipile: StandIn) -> None:
    """And shown as it is then."""
    there = added(unipile, "acc_1")
    off = ask("disable", there)
    assert "enabled: no" in off.stdout
    assert not unipile.endpoints[there].enabled
    assert "disabled already" in ask("disable", there).stdout

    assert said_of(ask("enable", there, "--json"))["did"] == "enabled"
    assert unipile.endpoints[there].enabled
    assert unipile.endpoints[there].account_ids == ("acc_1",)


# Gone.


def test_deleting_needs_a_yes(ask: Ask, unipile: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody who has seen what it is."""
    there = added(unipile)
    nobody = ask("delete", there)
    assert (nobody.exit_code, list(unipile.endpoints)) == (2, [there])
    assert "--yes" in nobody.stderr

    monkeypatch.setattr(confirming, "sys", System)
    monkeypatch.setattr("relay.commands.unipile.confirming.typer.confirm", lambda text, err: False)
    no = ask("delete", there)
    assert (no.exit_code, list(unipile.endpoints)) == (1, [there])
    assert f"url: {HOOK}" in no.stderr

    monkeypatch.setattr("relay.commands.unipile.confirming.typer.confirm", lambda text, err: True)
    assert ask("delete", there).exit_code == 0
    assert unipile.endpoints == {}


def test_what_is_left_of_a_deleted_endpoint_is_said(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path
) -> None:
    """Its secret, and what to do about it; nothing here is changed."""
    ask("create", "--url", HOOK)
    (made,) = unipile.endpoints.values()
    _, before = state_of(unipile, tmp_path)
    said = said_of(ask("delete", made.id, "--yes", "--json"))

    assert (said["did"], said["endpoint"]) == ("deleted", "unipile")
    assert "still has its secret" in said["says"][1]
    assert "take it out of the secrets" in said["says"][2]
    assert state_of(unipile, tmp_path) == ({}, before)
    assert secrets_of(tmp_path) == [made.secret, OLD]


def test_the_only_secret_of_an_endpoint_is_more_to_lose(ask: Ask, unipile: StandIn) -> None:
    """The endpoint here is of no use without it; another one's is not spoken of."""
    ask("create", "--url", HOOK)
    (made,) = unipile.endpoints
    other = unipile.add_endpoint(HOOK, EVENTS).id

    assert "still has" not in ask("delete", other, "--yes").stdout
    assert "No other one counts there" in ask("delete", made, "--yes").stdout


def test_an_endpoint_that_is_not_there_is_said(ask: Ask) -> None:
    """By every command that takes one."""
    for words in (["show"], ["update", "--description", "x"], ["enable"], ["delete", "--yes"]):
        done = ask(words[0], "we_nowhere", *words[1:])
        assert done.exit_code == 1
        assert "There is no webhook endpoint with this id" in done.stderr


def test_what_can_be_no_id_is_wrong_usage(ask: Ask, unipile: StandIn) -> None:
    """Unipile is not asked."""
    unipile.fail_next("*", "*", 500)
    for words in (["show"], ["update", "--description", "x"], ["enable"], ["delete", "--yes"]):
        done = ask(words[0], "../x", *words[1:])
        assert (done.exit_code, unipile.faults_waiting) == (2, 1)
        assert "../x is no id of an endpoint" in done.stderr


def test_all_are_listed(ask: Ask, unipile: StandIn) -> None:
    """With the endpoint here that has the secret."""
    assert "endpoints create" in ask("list").stdout
    ask("create", "--url", HOOK)
    added(unipile, "acc_1")
    shown = ask("list", "--json")
    rows = json.loads(shown.stdout)

    assert [(row["endpoint"], len(row["accounts"])) for row in rows] == [("unipile", 0), (None, 1)]
    assert [line.split()[-2:] for line in ask("list").stdout.splitlines()] == [
        ["accounts", "endpoint"],
        ["all", "unipile"],
        ["1", "-"],
    ]
