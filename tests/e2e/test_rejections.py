"""A refused delivery from the sender's 401 to its one entry, for what goes wrong most often."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from relay.commands import app
from relay.contract.connect import connect
from relay.contract.keys import Keys
from tests.conftest import StartServer
from tests.programs import GatewayProgram, gateway
from tests.servers import Server
from tests.signing import SECRET, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

BODY = json.dumps(
    {"id": "evt_1", "type": "message.new", "payload": {"n": 1}}, separators=(",", ":")
)
OLDER = json.dumps({"event": "message_received", "account_id": "d1", "message": "hello"})
UNIPILE = 'provider = "unipile"'
TOKEN = 'provider = "token"\ntoken = { place = "header.unipile-auth" }'
FORCE = ("--force", "--by", "kim", "--reason", "its sender cannot mend it any more")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that goes wrong.

    Args:
        body: As it arrives.
        headers: Likewise, signed when they are asked for.
        secret: As it is configured at first.
        table: The endpoint's, at first.
        cause: What the first line of the explanation must say.
        mended: The endpoint's table once it is mended.
        right: Its secret then.
        force: What cannot be mended is accepted so.
        stored: Type and assurance of the event.
    """

    body: str = BODY
    headers: Callable[[], Mapping[str, str]]
    secret: str = SECRET
    table: str = UNIPILE
    cause: str
    mended: str = UNIPILE
    right: str = SECRET
    force: tuple[str, ...] = ()
    stored: tuple[str, str] = ("message.new", "body")


DUMPED = json.dumps(json.loads(BODY), indent=2)
FORCED = ("unidentified", "none")
CASES = {
    "wrong": Case(
        headers=lambda: signed(BODY.encode()),
        secret="wes_of_another_endpoint_0001",
        cause="No secret of the endpoint made this signature",
    ),
    "dumped": Case(
        body=DUMPED,
        headers=lambda: signed(BODY.encode()),
        cause="The body was changed on its way: the signature fits the same JSON",
        force=FORCE,
        stored=FORCED,
    ),
    "clock": Case(
        headers=lambda: signed(BODY.encode(), int(time.time()) - 3600),
        cause="1 h, as where a clock or a time zone is set wrong",
        mended=f"{UNIPILE}\nlate_tolerance_seconds = 3600",
    ),
    "missing": Case(
        headers=lambda: {"content-type": "application/json"},
        cause="The header unipile-signature did not come",
        force=FORCE,
        stored=FORCED,
    ),
    "older": Case(
        body=OLDER,
        headers=lambda: {"unipile-auth": SECRET},
        cause="This is a webhook of Unipile's API version 1, which has no signature",
        mended=TOKEN,
        stored=("unidentified", "sender"),
    ),
    "ours": Case(
        headers=lambda: signed(BODY.encode()),
        secret=f"{SECRET}\n",
        cause="it ends with a line break, which the sender's has not",
    ),
    "theirs": Case(
        headers=lambda: signed(BODY.encode(), secret=f"{SECRET}\n"),
        cause="the sender's ends with a line break, and it does not",
        right=f"{SECRET}\n",
    ),
    "file": Case(
        headers=lambda: signed(BODY.encode(), secret=f"{SECRET}\n"),
        table=f'{UNIPILE}\nsecrets = [{{ file = "a.secret" }}]',
        cause="the sender's ends with a line break, and it does not",
        right=f"{SECRET}\n",
    ),
}


@dataclass
class Refusing:
    """A gateway that has refused each of the cases.

    Args:
        server: Its store.
        answers: Status of each, and the id by which its sender can ask.
    """

    server: Server
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)


def toml(tables: Mapping[str, str]) -> str:
    """Write a configuration; an endpoint has its secret in a variable of its own, or as it says."""
    text = ""
    for name, table in tables.items():
        secrets = "" if "secrets" in table else f'secrets = [{{ env = "SECRET_{name.upper()}" }}]'
        text += f"[endpoints.{name}]\n{table}\n{secrets}\n"
    return text


def send(program: GatewayProgram, name: str, case: Case) -> tuple[int, str]:
    """Send a case to its endpoint; give status and id of the answer."""
    url = f"http://127.0.0.1:{program.port}/webhooks/{name}"
    request = urllib.request.Request(url, case.body.encode(), dict(case.headers()))
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status), str(answer.headers["relay-request-id"])
    except urllib.error.HTTPError as error:
        with error:
            return error.code, str(error.headers["relay-request-id"])


def relay(*arguments: str, environ: Mapping[str, str]) -> Result:
    """Run ``relay rejections``."""
    try:
        return CliRunner().invoke(app, ["rejections", *arguments], env=dict(environ))
    finally:
        structlog.reset_defaults()


@pytest.fixture
async def refusing(start_server: StartServer, tmp_path: Path) -> AsyncIterator[Refusing]:
    """Have every case refused by a gateway, and its row written."""
    server = start_server("valkey")
    (tmp_path / "relay.toml").write_text(toml({name: case.table for name, case in CASES.items()}))
    secrets: dict[str, Any] = {
        f"SECRET_{name.upper()}": case.secret for name, case in CASES.items()
    }
    # As editors and echo end a file; it is no part of the secret.
    (tmp_path / "a.secret").write_text(f"{SECRET}\n")
    refused = Refusing(server)
    with gateway(tmp_path, server.url, **secrets) as program:
        for name, case in CASES.items():
            refused.answers[name] = await asyncio.to_thread(send, program, name, case)

        async def are_kept() -> bool:
            redis = connect(server.url, role="test")
            lengths = [await redis.xlen(Keys().rejected(name)) for name in CASES]
            await redis.aclose()
            return all(lengths)

        await wait_until(are_kept, description="each refusal has its row")
        yield refused


async def stored(server: Server, name: str) -> list[tuple[str, str]]:
    """Give stream and assurance of every event of an endpoint."""
    redis = connect(server.url, role="test")
    found = []
    for event_type in ("message.new", "unidentified"):
        entries: Any = await redis.xrange(Keys().stream(name, event_type))
        found += [(event_type, fields[b"assurance"].decode()) for _, fields in entries]
    await redis.aclose()
    return found


async def test_each_is_explained_mended_and_stored_once(
    refusing: Refusing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender's answer has the id, the first line the cause, and a second try stores nothing."""
    monkeypatch.chdir(tmp_path)
    for name, case in CASES.items():
        status, wanted = refusing.answers[name]
        environ = {"REDIS_URL": refusing.server.url, f"SECRET_{name.upper()}": case.secret}
        (tmp_path / "relay.toml").write_text(toml({name: case.table}))
        said = await asyncio.to_thread(relay, "explain", wanted, environ=environ)
        early = await asyncio.to_thread(relay, "accept", wanted, environ=environ)

        environ[f"SECRET_{name.upper()}"] = case.right
        (tmp_path / "relay.toml").write_text(toml({name: case.mended}))
        done = await asyncio.to_thread(relay, "accept", wanted, *case.force, environ=environ)
        again = await asyncio.to_thread(relay, "accept", wanted, *case.force, environ=environ)

        listed = await asyncio.to_thread(relay, "list", name, "--json", environ=environ)
        (row,) = json.loads(listed.stdout)

        assert status == 401, name
        assert case.cause in said.stdout.splitlines()[0], name
        assert (early.exit_code, done.exit_code, again.exit_code) == (1, 0, 0), name
        assert case.cause in early.stderr, name
        assert "accepted before" in again.stdout, name
        assert row["compared"], name
        assert row["accepted"] in ("stored", "forced by kim"), name
        assert await stored(refusing.server, name) == [case.stored], name
