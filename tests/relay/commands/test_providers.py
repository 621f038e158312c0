"""``relay providers``: the list, one of them with its lines, and trying them."""

import json
import tomllib
from dataclasses import replace

import pytest

from relay.commands.providers.facts import facts_of, needs_of
from relay.commands.providers.lines import lines_of
from relay.contract.errors import ConfigurationFault
from relay.endpoint import Endpoint
from relay.provider import Provider
from relay.providers import PROVIDERS
from relay.proving import Proof
from relay.proving.sender import SECRET_BYTES, make_sender
from relay.settings import Settings, build_endpoints
from tests.making import NOW
from tests.relay.commands.conftest import Relay

# Without these such an endpoint starts all the same: the sender may not ask.
ASKED = {"verify_token", "origins"}


def configured(provider: Provider, lines: str) -> Endpoint:
    """Give the endpoint that lines of a configuration make, with a secret that its sender has."""
    secrets = make_sender(provider, b"s" * SECRET_BYTES, NOW).endpoint.secrets
    text = secrets[0].reveal().decode() if secrets else ""
    settings = Settings.load(Environment(text), tomllib.loads(lines))
    return build_endpoints(settings, Environment(text), lambda _: text)[provider.name]


class Environment(dict[str, str]):
    """Every variable that holds a secret or a key is set."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        """Give the secret."""
        is_one = name.endswith(("_SECRET", "_KEY", "_TOKEN")) and not name.startswith("RELAY_")
        return self._secret if is_one else default


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_lines_of_a_preset_make_an_endpoint(name: str) -> None:
    """They can be copied as they are."""
    provider = PROVIDERS[name]

    endpoint = configured(provider, lines_of(provider))

    assert endpoint.provider is provider
    assert bool(endpoint.secrets) is ("secrets" in needs_of(provider))


@pytest.mark.parametrize(
    ("name", "need"),
    [
        (name, need)
        for name, provider in PROVIDERS.items()
        for need in needs_of(provider)
        if need not in ASKED and not provider.brings_secret
    ],
)
def test_each_of_the_lines_is_needed(name: str, need: str) -> None:
    """The gateway says so where one is missing."""
    provider = PROVIDERS[name]
    lines = [line for line in lines_of(provider).splitlines() if not line.startswith(need)]

    with pytest.raises(ConfigurationFault, match=need):
        configured(provider, "\n".join(lines))


def test_every_preset_is_listed(relay: Relay) -> None:
    """What it proves, and with what it was tested, stands beside its name."""
    done = relay("providers")

    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert set(PROVIDERS) <= set(rows)
    assert "body" in rows["github"]
    assert "vector" in rows["github"]
    assert "sender" in rows["telegram"]


def test_a_preset_without_proof_is_unproven(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads a proof into a blank."""
    bare = replace(PROVIDERS["github"], proved_by=())
    monkeypatch.setattr("relay.commands.providers.PROVIDERS", {"github": bare})

    assert "unproven" in relay("providers").stdout
    assert "unproven" in relay("providers", "github").stdout
    assert "unproven" in relay("providers", "test").stdout


def test_programs_get_every_fact(relay: Relay) -> None:
    """One array with an object for each."""
    rows = json.loads(relay("providers", "--json").stdout)

    github = next(row for row in rows if row["name"] == "github")
    assert [row["name"] for row in rows] == list(PROVIDERS)
    assert (github["proves"], github["id_signed"], github["type_signed"]) == ("body", False, False)
    assert (github["time_signed"], github["tolerance_seconds"]) == (False, None)
    assert github["needs"] == ["secrets"]
    assert {row["id_signed"] for row in rows if row["name"] == "dropbox"} == {None}


def test_one_is_shown_with_the_lines_to_copy(relay: Relay) -> None:
    """By its name alone."""
    done = relay("providers", "square")

    assert lines_of(PROVIDERS["square"]) in done.stdout
    assert "{url}{body}" in done.stdout
    assert done.stdout == relay("providers", "show", "square").stdout


def test_one_is_shown_to_programs(relay: Relay) -> None:
    """As an object."""
    shown = json.loads(relay("providers", "square", "--json").stdout)

    assert shown["lines"] == lines_of(PROVIDERS["square"])
    assert {"what": "Signed", "text": "`{url}{body}`"} in shown["details"]


@pytest.mark.parametrize("words", [["nosuch"], ["test", "github", "nosuch"]])
def test_an_unknown_name_is_wrong_usage(words: list[str], relay: Relay) -> None:
    """It is said which there are, and where to read on."""
    done = relay("providers", *words)

    assert done.exit_code == 2
    assert "no preset nosuch" in done.stderr
    assert "add-a-sender" in done.stderr


def test_those_that_are_named_are_tried(relay: Relay) -> None:
    """And no others."""
    done = relay("providers", "test", "github", "telegram")

    rows = [line.split()[:2] for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert rows[1:3] == [["github", "ok"], ["telegram", "ok"]]
    assert "2 tried, 0 failed, 0 not tried" in done.stdout


@pytest.mark.parametrize(
    ("proof", "result", "code"),
    [
        (Proof(name="github", examples=3, vectors=1), "ok", 0),
        (Proof(name="github", faults=("push: it is taken for unidentified",)), "failed", 1),
        (Proof(name="github", missing="this needs cryptography"), "not tried", 0),
    ],
)
def test_the_exit_code_says_whether_all_that_were_tried_hold(
    proof: Proof, result: str, code: int, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be tried is said, and is no failure."""
    monkeypatch.setattr("relay.proving.prove", lambda provider, at: proof)

    done = relay("providers", "test", "github", "--json")

    (row,) = json.loads(done.stdout)
    assert (row["result"], done.exit_code) == (result, code)
    assert row["faults"] == [*proof.faults, *([proof.missing] if proof.missing else [])]


def test_a_sender_that_signs_nothing_is_not_said_to() -> None:
    """A static secret proves who sent, and no more."""
    facts = facts_of(PROVIDERS["telegram"])

    assert (facts.proves, facts.id_signed, facts.type_signed, facts.time_signed) == (
        "sender",
        False,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("name", "signed"),
    [
        ("unipile", (True, True, True)),
        ("github", (False, False, False)),
        ("dropbox", (None, True, False)),
        ("mailgun", (False, False, True)),
        # Its token says neither when it was made nor until when it is good.
        ("netlify", (True, False, False)),
        ("shopify", (False, False, False)),
    ],
)
def test_what_is_signed_is_said(name: str, signed: tuple[bool | None, bool, bool]) -> None:
    """Of id, type and time."""
    facts = facts_of(PROVIDERS[name])

    assert (facts.id_signed, facts.type_signed, facts.time_signed) == signed
