"""Runs commands in this process, in an empty directory and a clean environment."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from relay.commands import app

Relay = Callable[..., Result]


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Run ``relay`` with arguments, and with variables by name; gives what it did."""
    for name in os.environ:
        if name.startswith(("RELAY_", "REDIS_URL", "UNIPILE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=variables, prog_name="relay")

    yield run
    # What a command logged to is closed by now.
    structlog.reset_defaults()
