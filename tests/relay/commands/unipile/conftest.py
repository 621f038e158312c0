"""A stand-in Unipile, a store, and a terminal beside them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import typer

from relay.commands import app, reload
from relay.commands.unipile import reloading
from relay.unipile.stand_in import StandIn
from tests.conftest import empty_server
from tests.relay.commands.conftest import Relay
from tests.relay.commands.unipile.desk import KEY, Desk
from tests.servers import Server

COMMAND = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command line built once: that takes as long as a command does."""
    monkeypatch.setattr("typer.testing._get_command", lambda _: COMMAND)


@pytest.fixture
def one_server(shared_servers: Callable[[str], Server]) -> Iterator[Server]:
    """A store; which of the servers it is makes no difference to these commands."""
    yield from empty_server(shared_servers("valkey"))


@pytest.fixture
async def desk(
    relay: Relay, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """A terminal in an empty directory, with one gateway and two accounts."""
    monkeypatch.setattr(reload, "HEAR_SECONDS", 0.3)
    monkeypatch.setattr(reload, "OTHERS_SECONDS", 0.05)
    monkeypatch.setattr(reload, "BLOCK_SECONDS", 0.02)
    monkeypatch.setattr(reloading, "LOOK_SECONDS", 0.05)
    async with StandIn(KEY, retry_seconds=()) as unipile:
        unipile.add_account("acc_1")
        unipile.add_account("acc_2")
        made = Desk(relay, unipile, one_server, tmp_path)
        with made.gateways():
            yield made
