"""``relay endpoints add``: what is written, what is asked, and what is never taken."""

import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.commands import app
from relay.commands.endpoints import add_one
from relay.providers import PROVIDERS
from relay.settings import Settings
from tests.relay.commands.conftest import Relay

Typing = Callable[..., Result]
ARN = "arn:aws:sns:us-east-1:123456789012:orders"
URL = "https://hooks.example.com/in/this"
# What each setting is given, where a kind of sender needs it.
GIVEN = {
    "public_url": ("--public-url", URL),
    "topic_arns": ("--set", f"topic_arns={ARN}"),
    "webhook_id": ("--set", "webhook_id=123456789"),
    "verify_token": ("--set", "verify_token=SHOWN_TOKEN"),
    "origins": ("--set", "origins=eventgrid.azure.net, other.example.com"),
}


@pytest.fixture
def typing(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Typing:
    """Run ``relay`` for somebody who types these lines."""
    monkeypatch.setattr(add_one, "on_terminal", lambda: True)

    def run(*arguments: str, lines: tuple[str, ...] = (), **variables: str) -> Result:
        typed = "".join(f"{line}\n" for line in lines)
        return CliRunner().invoke(app, list(arguments), input=typed, env=variables)

    return run


def written(directory: Path) -> dict[str, Any]:
    """Give the endpoints of the file."""
    return dict(tomllib.loads((directory / "relay.toml").read_text()).get("endpoints", {}))


def test_options_make_an_endpoint(relay: Relay, tmp_path: Path) -> None:
    """The entry, and what is to be done next in its order."""
    done = relay("endpoints", "add", "code", "--provider", "github", "--secret-env", "CODE_SECRET")

    assert (done.exit_code, done.stderr) == (0, "")
    assert written(tmp_path) == {
        "code": {"provider": "github", "secrets": [{"env": "CODE_SECRET"}]}
    }
    steps = [
        "[endpoints.code]",
        "Wrote relay.toml",
        "as CODE_SECRET",
        "Start the gateway",
        "Register this URL at GitHub: https://<your host>/webhooks/code",
        "relay endpoints test code",
    ]
    places = [done.stdout.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_preset_can_be_added_by_the_options_that_it_names(
    relay: Relay, tmp_path: Path, name: str
) -> None:
    """What is missing is said all at once, and is enough."""
    first = relay("endpoints", "add", name)
    options = [word for key, given in GIVEN.items() if _named(key, first) for word in given]
    if "--secret-file" in first.stderr:
        options += ["--secret-file", str(tmp_path / "secret")]
    done = relay("endpoints", "add", name, *options) if options else first

    assert (first.exit_code, bool(options)) in {(2, True), (0, False)}
    assert (done.exit_code, done.stderr) == (0, "")
    settings = Settings.load({"SHOWN_TOKEN": "shown"}, {"endpoints": written(tmp_path)})
    assert list(settings.endpoints) == [name]


def _named(key: str, said: Result) -> bool:
    option = "--public-url" if key == "public_url" else f"--set {key}="
    return option in said.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["githb"], "Did you mean github?"),
        (["code", "--provider", "strip"], "Did you mean stripe?"),
        (["acme", "--provider", "hmac"], "docs/how-to/add-a-sender.md"),
        (["Code", "--provider", "github"], "lower-case"),
        (["taken", "--provider", "github"], "already"),
        (["github", "--secret-env", "A", "--secret-file", "/a"], "in one place"),
        (["notion", "--secret-env", "A"], "writes it to a file"),
        (["aws-sns", "--secret-env", "A", *GIVEN["topic_arns"]], "has no secret"),
        (["github", "--secret-env", "A", "--set", "window_second=90"], "Did you mean window_secon"),
        (["github", "--secret-env", "A", "--set", "window_seconds=soon"], "valid integer"),
        (["github", "--secret-env", "A", "--set", "window_seconds"], "key=value"),
        (["github", "--secret-env", "A", "--set", "secrets=[]"], "--secret-env or"),
        (["github", "--secret-env", "A", "--set", "verify_token=T"], "shows none"),
        (["twilio", "--secret-env", "A", "--public-url", "ftp:x"], "public_url"),
        (["github", "--secret-env", "A", "--set", 'origins="\n[redis]'], "origins"),
    ],
)
def test_what_cannot_be_is_said_and_not_written(
    relay: Relay, tmp_path: Path, options: list[str], said: str
) -> None:
    """With the word that was most likely meant."""
    text = '[endpoints.taken]\nprovider = "none"\n'
    (tmp_path / "relay.toml").write_text(text)
    done = relay("endpoints", "add", *options)

    assert done.exit_code == 2
    assert said in done.stderr
    assert (tmp_path / "relay.toml").read_text() == text


@pytest.mark.parametrize("secret", ["hunter2", "whsec_c2VjcmV0", "s3cr3t\n", ""])
def test_a_secret_in_place_of_its_place_is_neither_written_nor_repeated(
    relay: Relay, tmp_path: Path, secret: str
) -> None:
    """A variable's name looks otherwise."""
    done = relay("endpoints", "add", "github", "--secret-env", secret)

    assert done.exit_code == 2
    assert not secret or secret.strip() not in done.output
    assert not (tmp_path / "relay.toml").exists()


def test_other_settings_are_taken_as_they_are_typed(relay: Relay, tmp_path: Path) -> None:
    """Numbers, lists with commas, and TOML."""
    pairs = ["window_seconds=900", "accounts=a, b", 'event_types=["*:push"]', "changed_body=store"]
    options = [word for pair in pairs for word in ("--set", pair)]
    done = relay("endpoints", "add", "github", "--secret-file", "hub.secret", *options)

    assert done.exit_code == 0
    assert written(tmp_path)["github"] == {
        "provider": "github",
        "secrets": [{"file": "./hub.secret"}],
        "window_seconds": 900,
        "accounts": ["a", "b"],
        "event_types": ["*:push"],
        "changed_body": "store",
    }


def test_the_endpoint_of_the_variable_alone_does_not_vanish(relay: Relay, tmp_path: Path) -> None:
    """It is written too, and stays what it was."""
    variables = {"UNIPILE_WEBHOOK_SECRET": "of-unipile"}
    before = Settings.load(variables, {})
    done = relay("endpoints", "add", "github", "--secret-env", "HUB", **variables)
    after = Settings.load({**variables, "HUB": "x"}, {"endpoints": written(tmp_path)})

    assert "[endpoints.unipile]" in done.stdout
    assert after.endpoints["unipile"] == before.endpoints["unipile"]
    assert set(after.endpoints) == {"unipile", "github"}


def test_where_the_variable_is_not_seen_it_is_named(relay: Relay, tmp_path: Path) -> None:
    """The gateway may have it all the same."""
    done = relay("endpoints", "add", "github", "--secret-env", "HUB")
    again = relay("endpoints", "add", "stripe", "--secret-env", "PAY", UNIPILE_WEBHOOK_SECRET="s")

    assert "UNIPILE_WEBHOOK_SECRET" in done.stdout
    assert "UNIPILE_WEBHOOK_SECRET" not in again.stdout
    assert set(written(tmp_path)) == {"github", "stripe"}


def test_everything_is_asked_on_a_terminal(typing: Typing, tmp_path: Path) -> None:
    """A mistake is asked again, and the secret goes into its file for the owner alone."""
    secret = tmp_path / "sms.secret"
    lines = ("twillio", "twilio", "Sms", "sms", str(secret), "ftp://x", URL, "y", "of-twilio")
    done = typing("endpoints", "add", lines=lines)

    assert done.exit_code == 0
    assert "Did you mean twilio?" in done.stdout
    assert written(tmp_path) == {
        "sms": {"provider": "twilio", "secrets": [{"file": str(secret)}], "public_url": URL}
    }
    assert secret.read_text() == "of-twilio\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "of-twilio" not in done.stdout
    assert f"at Twilio: {URL}" in done.stdout


def test_a_secret_that_cannot_be_one_is_asked_again(typing: Typing, tmp_path: Path) -> None:
    """Nothing of it is shown."""
    secret = tmp_path / "std.secret"
    lines = ("whsec_%%%", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    options = ("standard-webhooks", "--secret-file", str(secret), "--yes")
    done = typing("endpoints", "add", *options, lines=lines)

    assert done.exit_code == 0
    assert secret.read_text().strip() == lines[1]
    assert "%%%" not in done.stdout
    assert lines[1] not in done.stdout


def test_no_means_that_nothing_is_written(typing: Typing, tmp_path: Path) -> None:
    """The entry has been shown by then."""
    done = typing("endpoints", "add", "github", lines=("", "n"))

    assert done.exit_code == 1
    assert "[endpoints.github]" in done.stdout
    assert not (tmp_path / "relay.toml").exists()


def test_a_secret_that_cannot_be_put_there_leaves_the_endpoint(
    typing: Typing, tmp_path: Path
) -> None:
    """It is said, and is among what is to be done."""
    secret = tmp_path / "nowhere" / "hub.secret"
    lines = ("of-github",)
    options = ("github", "--secret-file", str(secret), "--yes")
    done = typing("endpoints", "add", *options, lines=lines)

    assert done.exit_code == 0
    assert "was not written" in done.stderr
    assert f"into {secret}" in done.stdout
    assert set(written(tmp_path)) == {"github"}


def test_nothing_that_is_typed_reaches_the_terminal_as_it_is(relay: Relay) -> None:
    """Neither in refusals nor in the entry that is shown."""
    evil = "a\x1b[31m\u202eb"
    outputs = [
        relay("endpoints", "add", evil).output,
        relay("endpoints", "add", "x", "--provider", evil).output,
        relay("endpoints", "add", "github", "--secret-env", "A", "--set", evil).output,
        relay("endpoints", "add", "github", "--secret-env", "A", "--set", f"{evil}=1").output,
        relay(
            "endpoints", "add", "github", "--secret-env", "A", "--set", f"accounts={evil}"
        ).output,
        relay("endpoints", "add", "slack", "--secret-file", evil).output,
        relay("endpoints", "test", evil).output,
        relay("endpoints", "test", "github", "--url", f"http://{evil}/").output,
    ]

    assert not [said for said in outputs if "\x1b" in said or "\u202e" in said]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), ["a header unipile-auth with the secret"]),
        (("--set", 'token={place="header.x-own"}'), ["a header x-own with the secret"]),
        (("--set", 'token={place="query.knock"}'), ["/webhooks/hook?knock=<the secret"]),
        (("--set", 'renamed={message_id="mid"}', "--set", "types_as=unipile"), ["Register"]),
    ],
)
def test_what_is_chosen_at_the_sender_is_said(
    relay: Relay, tmp_path: Path, options: tuple[str, ...], said: list[str]
) -> None:
    """Where the secret stands there, as the endpoint has it, and how fields are called."""
    done = relay(
        "endpoints", "add", "hook", "--provider", "unipile-v1", "--secret-env", "HOOK", *options
    )

    assert (done.exit_code, done.stderr) == (0, "")
    assert all(each in done.stdout for each in said)
    assert ("with the secret as its value" in done.stdout) is ("query" not in str(options))
    settings = Settings.load({"HOOK": "made up"}, {"endpoints": written(tmp_path)})
    assert settings.endpoints["hook"].provider == "unipile-v1"
