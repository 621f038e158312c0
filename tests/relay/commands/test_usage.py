"""A user's mistake gets one clear message and the right exit code, never a traceback."""

import socket
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relay import __version__
from relay.commands import make_app, plugins
from tests.relay.commands.conftest import Relay
from tests.servers import free_port

SECRET = "a-secret-that-is-never-said"
NOWHERE = "redis://:{}@127.0.0.1:{}/0"


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def nowhere() -> str:
    """A URL at which nobody answers, with a password in it."""
    return NOWHERE.format(SECRET, free_port())


def test_version(relay: Relay) -> None:
    """The version is said without a command."""
    done = relay("--version")

    assert (done.exit_code, done.stdout) == (0, f"webhook-relay {__version__}\n")


@pytest.mark.parametrize(
    "command", ["dev", "serve", "send", "tail", "streams", "check", "conformance"]
)
def test_every_command_has_help(relay: Relay, command: str) -> None:
    """The names that others rely on are there."""
    done = relay(command, "--help")

    assert done.exit_code == 0
    assert f"relay {command}" in done.stdout


@pytest.mark.parametrize("command", [["streams"], ["tail"], ["tail", "--from", "0"]])
def test_a_store_that_is_away(relay: Relay, nowhere: str, command: list[str]) -> None:
    """The message says where it was looked for and what to do, and not the password."""
    done = relay(*command, REDIS_URL=nowhere)

    assert done.exit_code == 1
    assert "Redis cannot be reached" in done.stderr
    assert "--redis-url" in done.stderr
    assert SECRET not in done.output
    assert "Traceback" not in done.output


def test_a_unix_socket_that_is_not_there(relay: Relay, tmp_path: Path) -> None:
    """It is a store that is away like any other."""
    done = relay("streams", "--redis-url", f"unix://{tmp_path}/none.sock")

    assert done.exit_code == 1
    assert "none.sock" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://h:port",
        f"redis://:{SECRET}/x@h:1",
        f"redis://:{SECRET}@h:1?nonsense=1",
        f"redis://:{SECRET}@h:1?socket_timeout=soon",
    ],
)
@pytest.mark.parametrize("by_option", [True, False])
def test_a_url_that_is_none(relay: Relay, url: str, by_option: bool) -> None:
    """It is told apart from a store that is away, and never repeated."""
    done = relay("streams", "--redis-url", url) if by_option else relay("streams", REDIS_URL=url)

    assert done.exit_code == 2
    assert "redis.url" in done.stderr
    assert "--redis-url" in done.stderr
    assert SECRET not in done.output


@pytest.mark.parametrize("command", ["streams", "tail", "serve", "send unipile"])
def test_a_file_that_is_no_toml(relay: Relay, tmp_path: Path, command: str) -> None:
    """The file is named."""
    (tmp_path / "relay.toml").write_text("port = = 1")

    done = relay(*command.split())

    assert done.exit_code == 2
    assert "relay.toml is not TOML" in done.stderr


def test_all_faults_are_said_together(relay: Relay, tmp_path: Path) -> None:
    """A gateway with two faults names both."""
    (tmp_path / "relay.toml").write_text(
        '[endpoints.shop]\nprovider = "unipile"\nsecrets = [{ env = "SHOP" }]\ncolour = 1'
    )

    done = relay("serve")

    assert done.exit_code == 2
    assert "endpoints.shop.colour" in done.stderr
    assert "the environment variable SHOP is not set" in done.stderr


def test_looking_needs_no_secrets(relay: Relay, tmp_path: Path, nowhere: str) -> None:
    """A terminal without the endpoints' secrets can look into the store."""
    (tmp_path / "relay.toml").write_text(
        f'port = 1\n[redis]\nurl = "{nowhere}"\n'
        '[endpoints.shop]\nprovider = "unipile"\nsecrets = [{ env = "SHOP" }]'
    )

    done = relay("streams")

    assert done.exit_code == 1
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command"),
        (["tail", "nonsense"], "is not a pattern"),
        (["tail", "--from", "yesterday"], "entry id"),
        (["tail", "--count", "0"], "--count"),
        (["serve", "--port", "70000"], "--port"),
        (["send"], "ENDPOINT"),
        (["send", "unipile", "--count", "none"], "--count"),
    ],
)
def test_wrong_arguments(relay: Relay, arguments: list[str], words: str) -> None:
    """What was typed wrongly is named."""
    done = relay(*arguments, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert done.exit_code == 2
    assert words in done.stderr


def test_an_address_in_use(relay: Relay, nowhere: str, busy_port: int) -> None:
    """A second gateway says which option gives it another port."""
    done = relay("serve", "--port", "0", "--admin-port", str(busy_port), REDIS_URL=nowhere)

    assert done.exit_code == 1
    assert str(busy_port) in done.stderr
    assert "--admin-port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_package_costs_only_its_own_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what is missing and why."""
    broken = EntryPoint("shop\x1b", "no_such_module:register", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])

    done = CliRunner().invoke(make_app(), ["--version"])

    said = capsys.readouterr().err
    assert done.exit_code == 0
    assert said.count("\n") == 1
    assert "shop\\x1b" in said
    assert "no_such_module" in said
