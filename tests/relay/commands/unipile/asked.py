"""Runs ``relay unipile endpoints`` against a stand-in, and looks at what is left of it."""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import Result

from relay.unipile.stand_in import StandIn
from tests.relay.commands.conftest import Relay
from tests.relay.unipile.standing import standing

KEY = "canary-api-key-51dd"
HOOK = "https://hooks.example.com/webhooks/unipile"
OLD = "wes_old_secret_0000000000000000000000"
TOML = """
# Ours.
[endpoints.unipile]   # the first
provider = "unipile"
secrets = [{ file = "old.secret" }]
"""
Ask = Callable[..., Result]


@pytest.fixture
def unipile() -> Iterator[StandIn]:
    """A stand-in with two accounts."""
    with standing(api_key=KEY) as running:
        running.add_account("acc_1", name="Grace Example")
        running.add_account("acc_2")
        yield running


@pytest.fixture
def ask(relay: Relay, unipile: StandIn, tmp_path: Path) -> Ask:
    """Run ``relay unipile endpoints`` with arguments; neither key nor secret is ever said."""

    def run(*arguments: str, **variables: str) -> Result:
        environ = {"UNIPILE_API_KEY": KEY, "UNIPILE_API_URL": unipile.url, **variables}
        before = {each.secret for each in unipile.endpoints.values()}
        done = relay("unipile", "endpoints", *arguments, "--api-seconds", "1", **environ)
        secrets = before | {each.secret for each in unipile.endpoints.values()}
        said = done.stdout + done.stderr
        assert not any(each in said for each in {KEY, OLD} | secrets)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A relay.toml with an endpoint that has one secret."""
    (tmp_path / "old.secret").write_text(f"{OLD}\n")
    (tmp_path / "relay.toml").write_text(TOML)
    return tmp_path / "relay.toml"


def said_of(done: Result) -> dict[str, Any]:
    """Give the JSON that a command has printed."""
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def files_of(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Give content and mode of every file, hidden ones too."""
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in directory.rglob("*")
        if path.is_file()
    }


def state_of(unipile: StandIn, directory: Path) -> tuple[object, object]:
    """Give all that a command can change: endpoints there, and files here."""
    there = {name: msgspec.structs.asdict(each) for name, each in unipile.endpoints.items()}
    return there, files_of(directory)


def secrets_of(directory: Path, endpoint: str = "unipile") -> list[str]:
    """Give the contents of the secrets that relay.toml names for an endpoint, the newest first."""
    toml = tomllib.loads((directory / "relay.toml").read_text())
    files = [each["file"] for each in toml["endpoints"][endpoint]["secrets"]]
    return [(directory / file).read_text().strip() for file in files]
