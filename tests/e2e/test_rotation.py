"""A secret is replaced under load: old, both, new. Nothing is refused, and what is said is true."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.commands import app
from tests import load
from tests.conftest import StartServer
from tests.e2e.test_crash_gateway import assert_all_kept
from tests.e2e.test_reload import reload, reloaded, status
from tests.load import sending
from tests.programs import GatewayProgram, children_of, gateway
from tests.signing import SECRET, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

NEW = "wes_newsecret_0000000000000000000"
Used = dict[str, tuple[bool, bool]]
VARIABLE = "env:UNIPILE_WEBHOOK_SECRET"


class Sender:
    """Signs what the load sends, with one secret or the other."""

    def __init__(self) -> None:
        self.secret = SECRET

    def sign(self, body: bytes) -> dict[str, str]:
        """Give the headers of a delivery."""
        return signed(body, secret=self.secret)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    """A sender that changes over when it is told to."""
    made = Sender()
    monkeypatch.setattr(load, "signed", made.sign)
    return made


class Operator:
    """Runs commands at a terminal that has the gateway's environment."""

    def __init__(self, url: str) -> None:
        self._environ = {"REDIS_URL": url, "UNIPILE_WEBHOOK_SECRET": SECRET}

    async def secrets(self, *arguments: str, given: str = "") -> Result:
        """Run ``relay secrets``, which never shows one."""
        words = ["secrets", *arguments]
        runner = CliRunner()
        done = await asyncio.to_thread(runner.invoke, app, words, given, self._environ)
        assert NEW not in done.output
        assert SECRET not in done.output
        return done

    async def status(self) -> tuple[Used, str]:
        """Give of each secret whether it is configured and was used, and the sentences."""
        done = await self.secrets("status", "unipile", "--json")
        assert done.exit_code == 0, done.output
        (found,) = json.loads(done.stdout)
        rows: dict[str, Any] = {row["secret"]: row for row in found["secrets"]}
        used = {
            name: (bool(row["configured"]), row["deliveries"] > 0) for name, row in rows.items()
        }
        return used, found["says"]

    async def sees(self, used: Used, words: str) -> None:
        """Wait for what the gateways have written, which they do every two seconds."""

        async def is_so() -> bool:
            found, says = await self.status()
            return found == used and words in says

        await wait_until(is_so, description=f"status shows {used} and says: {words}")


def arguments_of(program: GatewayProgram) -> bytes:
    """Give what anyone on the machine may see of the processes."""
    pids = [program.process.pid, *children_of(program.process.pid)]
    return b"\0".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)


def environments_of(program: GatewayProgram) -> bytes:
    """Give the variables of the children; what is read from files comes to them otherwise."""
    pids = children_of(program.process.pid)
    return b"\0".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in pids)


async def begin(operator: Operator, directory: Path) -> str:
    """Have the new secret configured, and give its name."""
    begun = await operator.secrets("rotate", "unipile", given=NEW)
    assert begun.exit_code == 0, begun.output
    (path,) = directory.glob("unipile-*.secret")  # noqa: ASYNC240 - nobody waits for it
    return f"file:{path}"


async def finish(operator: Operator, *options: str) -> str:
    """Have the old secret taken out, and give what speaks against it, if anything does."""
    done = await operator.secrets("rotate", "unipile", "--finish", *options)
    assert done.exit_code == bool(done.stderr)
    return done.stderr


async def finish_soon(operator: Operator) -> None:
    """Have it taken out once it was unused for a second."""

    async def is_finished() -> bool:
        return not await finish(operator, "--retry-seconds", "1")

    await wait_until(is_finished, description="the old one is out")


async def test_old_both_new_and_nothing_is_refused(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> None:
    """From a variable alone to a file alone, while its sender changes over."""
    server = start_server("valkey", "always")
    monkeypatch.chdir(tmp_path)
    operator = Operator(server.url)
    with gateway(tmp_path, server.url) as program:
        async with sending(lambda: program.url, connections=8, pause_seconds=0.02) as answers:
            await operator.sees({VARIABLE: (True, True)}, "There is one secret, last used")

            new = await begin(operator, tmp_path)
            before = {new: (True, False), VARIABLE: (True, True)}
            await operator.sees(before, "No gateway has loaded the new one yet")
            reload(program)
            await reloaded(program, 1)
            await operator.sees(before, "A gateway has loaded the new one")
            assert "The new one was never used." in await finish(operator)

            sender.secret = NEW
            await operator.sees({new: (True, True), VARIABLE: (True, True)}, "was last used")
            assert "The old one was last used" in await finish(operator)

            await finish_soon(operator)
            reload(program)
            await reloaded(program, 2)
            await operator.sees({new: (True, True), VARIABLE: (False, True)}, "There is one secret")
            arguments, environments = arguments_of(program), environments_of(program)

        assert (answers.broken, set(answers.statuses)) == (0, {200})
        assert_all_kept(answers, server)
        assert (status(program, "evt_o", SECRET), status(program, "evt_n", NEW)) == (401, 200)
        assert NEW not in program.output()
        assert b"serve" in arguments
        assert SECRET.encode() not in arguments
        assert NEW.encode() not in arguments + environments
