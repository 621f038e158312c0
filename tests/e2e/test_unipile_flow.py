"""From an empty account of Unipile's to a rotated secret, while deliveries go on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.commands import app
from relay.contract.connect import text_of
from relay.contract.keys import Keys
from relay.unipile.event_names import KNOWN
from relay.unipile.stand_in import StandIn
from tests.conftest import StartServer
from tests.programs import GatewayProgram, end, start
from tests.servers import Server, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

KEY = "key-of-the-test"
KEYS = Keys()
# Long enough for a gateway that has yet to take its configuration over.
RETRIES = (0.1,) * 300


@dataclass
class Account:
    """An account of Unipile's with a gateway, and what has happened to it.

    Args:
        unipile: The stand-in.
        server: The store.
        gateway: The program.
        sent: Event id -> its type and account.
    """

    unipile: StandIn
    server: Server
    gateway: GatewayProgram
    sent: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def command(self, *arguments: str) -> Result:
        """Run ``relay unipile`` in the gateway's directory."""
        environ = {"UNIPILE_API_KEY": KEY, "UNIPILE_API_URL": self.unipile.url}
        environ |= {"REDIS_URL": self.server.url}
        words = ["unipile", *arguments]
        done = await asyncio.to_thread(CliRunner().invoke, app, words, None, environ)
        assert done.exit_code == 0, done.output
        return done

    async def emit(self, event_type: str, account: str) -> None:
        """Have something happen."""
        event_id = await self.unipile.emit(event_type, account)
        self.sent[event_id] = event_type, account

    def stored(self) -> tuple[Counter[str], dict[str, tuple[str, str]]]:
        """Give how often each event is in a stream, and its type and account there."""
        times, told = Counter[str](), {}
        with self.server.client() as client:
            for name in client.hkeys(KEYS.streams("unipile")):
                stream = KEYS.stream("unipile", text_of(name))
                entries: Any = client.xrange(stream)
                for _, fields in entries:
                    event_id = text_of(fields[b"id"])
                    times[event_id] += 1
                    told[event_id] = text_of(name), text_of(fields[b"account"])
        return times, told

    async def are_stored(self) -> None:
        """Wait until all that has happened is stored, and hold that it is so once."""
        await self.unipile.settled()
        await wait_until(
            lambda: self.stored()[1] == self.sent, description="every event is where it belongs"
        )
        assert set(self.stored()[0].values()) == {1}

    def refused(self) -> int:
        """Say how many rows the refusal log has."""
        with self.server.client() as client:
            return client.xlen(KEYS.rejected("unipile"))


@asynccontextmanager
async def happening(account: Account) -> AsyncIterator[None]:
    """Have messages come within the block, one after another."""

    async def go_on() -> None:
        while True:
            await account.emit("message.new", "acc_1")
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def account(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Account]:
    """An empty account, and a gateway without any endpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNIPILE_WEBHOOK_SECRET", raising=False)
    server, port, admin_port = start_server("valkey"), free_port(), free_port()
    options = ["--port", str(port), "--admin-port", str(admin_port)]
    program = start(["-m", "relay", "serve", *options], tmp_path, "gateway", REDIS_URL=server.url)
    gateway = GatewayProgram(program.process, program.log, port, admin_port)
    try:
        async with StandIn(KEY, retry_seconds=RETRIES) as unipile:
            for each in ("acc_1", "acc_2"):
                unipile.add_account(each)
            await wait_until(
                lambda: gateway.get("/livez") == 200,
                deadline_seconds=90,
                description="the gateway answers",
            )
            yield Account(unipile, server, gateway)
    finally:
        end(program)


async def test_from_nothing_to_a_rotated_secret(account: Account) -> None:
    """All types come with their accounts; under the rotation none is lost, doubled or refused."""
    unipile, url = account.unipile, f"http://127.0.0.1:{account.gateway.port}"
    connecting = asyncio.create_task(account.command("connect", "--public-url", url))
    await wait_until(lambda: bool(unipile.endpoints), description="an endpoint is registered")
    (first,) = unipile.endpoints.values()
    await account.emit("message.new", "acc_1")
    said = (await connecting).stdout
    assert "The first delivery has come: message.new of acc_1" in said

    for number, event_type in enumerate(KNOWN):
        await account.emit(event_type, f"acc_{1 + number % 2}")
    await account.are_stored()
    assert {event_type for event_type, _ in account.sent.values()} == set(KNOWN)

    async with happening(account):
        await account.command("rotate", "--overlap", "1s")
    await account.are_stored()
    (second,) = unipile.endpoints.values()
    assert second.id != first.id
    assert account.refused() == 0

    await account.command("endpoints", "update", second.id, "--account", "acc_2")
    await unipile.emit("message.new", "acc_1")
    await account.emit("message.new", "acc_2")
    await account.are_stored()
    await account.command("endpoints", "delete", second.id, "--yes")
    assert unipile.endpoints == {}
