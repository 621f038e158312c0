"""``relay unipile endpoints create``: the endpoint there, and its secret here, or neither."""

import tomllib
from pathlib import Path

import pytest

from relay.commands.unipile import confirming, secret_here
from relay.contract.explain import CommandFailed
from relay.unipile.event_names import KNOWN
from relay.unipile.stand_in import StandIn
from tests.relay.commands.unipile.asked import (
    HOOK,
    OLD,
    Ask,
    ask,
    configured,
    files_of,
    said_of,
    secrets_of,
    state_of,
    unipile,
)

__all__ = ["ask", "configured", "unipile"]

CREATE = ["create", "--url", HOOK]


class Terminal:
    """Standard input where somebody types."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class System:
    """Where that is looked for."""

    stdin = Terminal()


def refuse(*_: object) -> None:
    """Write nothing."""
    raise CommandFailed("The disk is full.")


# What it does.


def test_an_endpoint_is_made_and_its_secret_counts(
    ask: Ask, unipile: StandIn, tmp_path: Path
) -> None:
    """From nothing: relay.toml, a file for the secret, all events that are known."""
    done = ask(*CREATE, "--description", "The CRM")
    (made,) = unipile.endpoints.values()

    assert done.exit_code == 0, done.output
    assert (made.url, made.description, made.account_ids) == (HOOK, "The CRM", ())
    assert made.trigger_events == KNOWN
    assert secrets_of(tmp_path) == [made.secret]
    (file,) = tmp_path.glob("*.secret")
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"Created {made.id} at Unipile." in done.stdout
    assert "relay reload" in done.stdout
    assert "endpoint: unipile" in done.stdout
    assert "accounts: all" in done.stdout


def test_a_secret_stands_beside_those_that_are_there(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path
) -> None:
    """First, and the rest of the file is as it was."""
    done = ask(*CREATE)
    (made,) = unipile.endpoints.values()

    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [made.secret, OLD]
    assert "# Ours.\n[endpoints.unipile]   # the first" in configured.read_text()


def test_an_endpoint_of_another_name_is_added(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path
) -> None:
    """With the events and accounts that were named, patterns among them, each once."""
    url = "https://hooks.example.com/webhooks/crm"
    events = ["--event", "chat.*", "--event", "message.new", "--event", "chat.update"]
    accounts = ["--account", "acc_2", "--account", "acc_2"]
    done = ask("create", "--url", url, "--name", "crm", *events, *accounts)
    (made,) = unipile.endpoints.values()

    assert done.exit_code == 0, done.output
    assert made.trigger_events == ("chat.delete", "chat.update", "message.new")
    assert made.account_ids == ("acc_2",)
    assert secrets_of(tmp_path, "crm") == [made.secret]
    assert secrets_of(tmp_path) == [OLD]
    assert "linked later are not covered" in done.stdout
    assert done.stderr == ""


def test_programs_get_an_object(ask: Ask, unipile: StandIn, tmp_path: Path) -> None:
    """Nothing else is on standard output, whatever else is to be said."""
    url = "http://hooks.example.com/other"
    done = ask("create", "--url", url, "--name", "crm", "--json")
    said = said_of(done)
    (made,) = unipile.endpoints.values()

    assert {key: said[key] for key in ("did", "id", "url", "endpoint", "toml")} == {
        "did": "created",
        "id": made.id,
        "url": url,
        "endpoint": "crm",
        "toml": [],
    }
    assert Path(said["secret_file"]).read_text() == f"{made.secret}\n"
    assert said["account_targets"] == []
    assert "does not end with /crm" in done.stderr
    assert "anyone on the way can read" in done.stderr
    # The endpoint that a variable alone gives would be gone.
    assert done.stderr.count("UNIPILE_WEBHOOK_SECRET alone") == 1


def test_a_relay_elsewhere_gets_a_file_and_lines(
    ask: Ask, unipile: StandIn, tmp_path: Path
) -> None:
    """And nothing else is written here."""
    path = tmp_path / "to-go"
    said = said_of(ask(*CREATE, "--no-keep", "--secret-file", "to-go", "--json"))
    (made,) = unipile.endpoints.values()

    assert files_of(tmp_path) == {"to-go": (f"{made.secret}\n".encode(), 0o600)}
    assert tomllib.loads("\n".join(said["toml"])) == {
        "endpoints": {"unipile": {"provider": "unipile", "secrets": [{"file": str(path)}]}}
    }
    assert said["endpoint"] is None


def test_a_person_is_asked(
    ask: Ask, unipile: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, with all that is about to be done; no is no."""
    asked = []

    def confirm(text: str, *, err: bool) -> bool:
        asked.append((text, err))
        return False

    monkeypatch.setattr(confirming, "sys", System)
    monkeypatch.setattr("relay.commands.unipile.confirming.typer.confirm", confirm)
    done = ask(*CREATE, "--account", "acc_1")

    assert done.exit_code == 1
    assert asked == [("Create this at Unipile?", True)]
    assert f"url: {HOOK}" in done.stderr
    assert "accounts: acc_1" in done.stderr
    assert state_of(unipile, tmp_path) == ({}, {})

    assert ask(*CREATE, "--yes").exit_code == 0
    assert len(asked) == 1


# What is refused before Unipile is asked.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "hooks.example.com"], "is no URL"),
        (["--url", HOOK, "--description", "é" * 256], "has 256 characters"),
        (["--url", HOOK, "--event", "nothing.*"], "No type of event"),
        (["--url", HOOK, "--name", "Not a name"], "a name is 1 to 63"),
        (["--url", HOOK, "--no-keep"], "go together"),
        (["--url", HOOK, "--secret-file", "x"], "go together"),
        (["--url", HOOK, "--no-keep", "--secret-file", "old.secret"], "is there already"),
        (["--url", HOOK, "--no-keep", "--secret-file", "no/x"], "nothing can be written"),
        (["--url", HOOK, "--no-keep", "--secret-file", "x", "--name", "A"], "a name is"),
        (["--url", HOOK, "--name", "github"], "is of github"),
        (["--url", HOOK, "--api-url", "https://me:pass@api.example.com"], "no user and no"),
        (["--url", HOOK, "--api-url", "http://api.example.com"], "could read the API key"),
        (["--url", HOOK, "--api-url", "https://a\\b"], "is no URL such as"),
        (["--url", HOOK, "--api-url", "https://ü..ü"], "is no URL such as"),
        (["--url", HOOK, "--account", ""], "must not be empty"),
    ],
)
def test_what_cannot_work_asks_nothing(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """It is said, and nothing is done."""
    with configured.open("a") as file:
        file.write('[endpoints.github]\nprovider = "github"\nsecrets = [{ env = "X" }]\n')
    before = state_of(unipile, tmp_path)
    unipile.fail_next("*", "*", 500)
    done = ask("create", *arguments)

    assert done.exit_code == 2
    assert words in done.stderr
    assert "me:pass" not in done.stderr
    assert unipile.faults_waiting == 1
    assert state_of(unipile, tmp_path) == before


def test_a_configuration_that_cannot_be_used_asks_nothing(
    ask: Ask, unipile: StandIn, configured: Path
) -> None:
    """The secret could not count there."""
    configured.write_text("[endpoints.unipile\n")
    unipile.fail_next("*", "*", 500)

    assert ask(*CREATE).exit_code == 2
    assert unipile.faults_waiting == 1


def test_a_missing_key_is_named(ask: Ask) -> None:
    """With where it is from."""
    done = ask(*CREATE, UNIPILE_API_KEY="")

    assert done.exit_code == 2
    assert "UNIPILE_API_KEY is not set" in done.stderr


def test_what_unipile_refuses_is_said_in_its_words(
    ask: Ask, unipile: StandIn, tmp_path: Path
) -> None:
    """And of a name that was withdrawn, that it was."""
    done = ask(*CREATE, "--event", "story.new", "--event", "account.status.paused")

    assert done.exit_code == 1
    assert "story.new is not a known event type." in done.stderr
    assert "account.status.paused was withdrawn by Unipile." in done.stderr
    assert state_of(unipile, tmp_path) == ({}, {})


# What goes wrong after it was created.


def test_an_endpoint_whose_secret_is_not_kept_is_deleted_again(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left there, and nothing here."""
    before = state_of(unipile, tmp_path)
    monkeypatch.setattr(secret_here, "write_draft", refuse)
    done = ask(*CREATE)

    assert done.exit_code == 1
    assert "The disk is full." in done.stderr
    assert "was deleted again at Unipile" in done.stderr
    assert state_of(unipile, tmp_path) == before


def test_a_file_that_cannot_be_written_takes_the_endpoint_back(
    ask: Ask, unipile: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a relay elsewhere too."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("relay.commands.unipile.secret_file.os.fsync", full)
    done = ask(*CREATE, "--no-keep", "--secret-file", "to-go")

    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert state_of(unipile, tmp_path) == ({}, {})


def test_an_endpoint_that_cannot_be_deleted_again_is_said(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both facts, and the command that mends it; that command does."""
    monkeypatch.setattr(secret_here, "write_draft", refuse)
    unipile.fail_next("DELETE", "*", 403)
    done = ask(*CREATE)
    (made,) = unipile.endpoints.values()

    assert done.exit_code == 1
    assert "The disk is full." in done.stderr
    assert "may not do that (403)" in done.stderr
    assert f"`relay unipile endpoints delete {made.id}`" in done.stderr
    (file,) = tmp_path.glob("unipile-*.secret")
    assert str(file) in done.stderr
    assert secrets_of(tmp_path) == [OLD]
    assert ask("delete", made.id, "--yes").exit_code == 0
    assert unipile.endpoints == {}


def test_whoever_was_killed_runs_it_again(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path
) -> None:
    """The endpoint is found by its URL, and taken over instead of made twice."""
    made = unipile.add_endpoint(HOOK, ["message.new"])
    before = state_of(unipile, tmp_path)
    stopped = ask(*CREATE)

    assert stopped.exit_code == 1
    assert f"{made.id}; --adopt takes it over" in stopped.stderr
    assert state_of(unipile, tmp_path) == before

    said = said_of(ask(*CREATE, "--adopt", "--json"))
    assert (said["did"], said["id"], said["events"]) == ("adopted", made.id, ["message.new"])
    assert secrets_of(tmp_path) == [made.secret, OLD]

    again = ask(*CREATE)
    assert again.exit_code == 1
    assert "its secret counts here already" in again.stderr
    after = state_of(unipile, tmp_path)
    assert "already" in said_of(ask(*CREATE, "--adopt", "--json"))["says"][1]
    assert state_of(unipile, tmp_path) == after


def test_what_is_taken_over_becomes_as_wanted(ask: Ask, unipile: StandIn, tmp_path: Path) -> None:
    """Only in what was said; what was not said stays."""
    made = unipile.add_endpoint(HOOK, ["message.new"], ["acc_1"])
    ask(*CREATE, "--adopt", "--event", "chat.*", "--description", "CRM")
    now = unipile.endpoints[made.id]

    assert now.trigger_events == ("chat.delete", "chat.update")
    assert (now.account_ids, now.description) == (("acc_1",), "CRM")
    assert secrets_of(tmp_path) == [made.secret]


def test_what_is_taken_over_and_not_changed_is_kept_all_the_same(
    ask: Ask, unipile: StandIn, tmp_path: Path
) -> None:
    """What was done and what was not is said."""
    made = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next("PATCH", "*", 403)
    done = ask(*CREATE, "--adopt", "--event", "chat.*")

    assert done.exit_code == 1
    assert f"{made.id} was taken over as it was" in done.stderr
    assert unipile.endpoints[made.id] == made
    assert secrets_of(tmp_path) == [made.secret]


def test_one_of_ours_under_another_url_is_said(ask: Ask, unipile: StandIn) -> None:
    """A tunnel has another URL each time; what is somebody else's is not spoken of."""
    other = unipile.add_endpoint("https://other.example.com/webhooks/unipile", ["message.new"])
    ask(*CREATE)
    _, first = unipile.endpoints
    says = said_of(ask("create", "--url", "https://new.example.com/unipile", "--json"))["says"]
    (said,) = [each for each in says if first in each]

    assert HOOK in said
    assert f"`relay unipile endpoints delete {first}`" in said
    assert f"`relay unipile endpoints update {first} --url …`" in said
    assert not any(other.id in each for each in says)
    assert "which delivers to https://new.example.com/unipile," in ask(*CREATE, "--adopt").stdout


def test_several_with_one_url_are_for_an_operator(
    ask: Ask, unipile: StandIn, tmp_path: Path
) -> None:
    """A rotation may be under way."""
    ids = [unipile.add_endpoint(HOOK, ["message.new"]).id for _ in range(2)]
    before = state_of(unipile, tmp_path)
    done = ask(*CREATE, "--adopt")

    assert done.exit_code == 1
    assert ", ".join(ids) in done.stderr
    assert state_of(unipile, tmp_path) == before
