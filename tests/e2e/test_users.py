"""Users with the rights that the page gives them, and no others, are enough for everything."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis
from typer.testing import CliRunner

from relay.commands import app
from tests.conftest import StartServer
from tests.programs import gateway, worker
from tests.servers import NAMES, Server, wait_until_sync
from tests.signing import SECRET, signed

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs/how-to/connect-to-redis.md"
STREAM = "relay:{unipile}:message.new"
PASSWORD = "p@ss/w:rd %"
# The second event is tried again, the third set aside; a fourth type is handled in order.
HANDLERS = """
from consumers import Event, GiveUp, Retry, Worker

worker = Worker(group="keeper")


@worker.on("unipile:message.*", retry=Retry(attempts=3, base_seconds=0.05))
async def keep(event: Event) -> None:
    if event.id == "again" and event.attempt == 1:
        raise ValueError
    if event.id == "never":
        raise GiveUp("it cannot be")
    async with event.once("charge"):
        book(event)


@worker.on("unipile:email.*", order_by="account")
async def keep_in_order(event: Event) -> None:
    book(event)


def book(event: Event) -> None:
    with open("handled.txt", "a") as file:
        print(event.id, file=file)
"""
COMMANDS = (
    "check",
    "reload",
    "streams --json",
    "groups --json",
    "unipile accounts --gaps --json",
    "secrets pending --json",
    "secrets status --json",
    "tail --from 0 --count 1 --json",
    "dead show {letter} --json",
    "dead list --by error --json",
    "groups pause keeper",
    "groups resume keeper",
    "replay keeper --since 1h --yes",
    "dead redrive --letter {letter} --yes",
    "groups remove gone --yes",
)


def give_rights(server: Server) -> None:
    """Make the users of the page, and take all rights from everybody else."""
    with server.client() as client:
        for line in re.findall(r"^ACL SETUSER .*$", PAGE.read_text("utf-8"), re.MULTILINE):
            words = line.replace(">PASSWORD", "|").split(" ")
            words[words.index("|")] = f">{PASSWORD}"
            client.execute_command(*words)


def refused(server: Server) -> list[str]:
    """Give what users were not permitted, as the server remembers it."""
    with server.client() as client:
        log: Any = client.acl_log()
    return [f"{entry['username']}: {entry['object']} ({entry['reason']})" for entry in log]


def send(url: str, event_id: str, event_type: str = "message.new") -> None:
    """Send one event."""
    body = json.dumps({"id": event_id, "type": event_type, "account_id": "a"}).encode()
    request = urllib.request.Request(url, body, signed(body))
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def handled(directory: Path) -> list[str]:
    """Give the ids of the events that were handled."""
    file = directory / "handled.txt"
    return file.read_text().split() if file.exists() else []


def length(server: Server, key: str) -> int:
    """Count the entries of a stream."""
    with server.client() as client:
        return int(client.xlen(key))


def shorten_memory(client: Redis) -> None:
    """Let the server be so full that settled events are trimmed, and not so full as to refuse."""
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] / 0.78))


Command = Callable[[str], str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run a command as the operator; gives its output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIPILE_WEBHOOK_SECRET", SECRET)
    for name, value in user("relay-operator", tmp_path).items():
        monkeypatch.setenv(name, value)

    def run(words: str) -> str:
        done = CliRunner().invoke(app, words.split(), prog_name="relay")
        assert done.exit_code == 0, f"relay {words}: {done.output}"
        assert PASSWORD not in done.output
        return done.stdout

    yield run
    # What a command logged to is closed by now.
    structlog.reset_defaults()


def user(name: str, directory: Path) -> dict[str, Any]:
    """Give the variables that say who goes to the store."""
    password = directory / "password"
    password.write_text(f"{PASSWORD}\n")
    return {"RELAY_REDIS__USERNAME": name, "RELAY_REDIS__PASSWORD__FILE": str(password)}


@pytest.mark.parametrize("name", NAMES)
def test_the_rights_of_the_page_are_enough(
    name: str,
    start_server: StartServer,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event is stored, handled, tried again, set aside, given back, replayed and trimmed."""
    server = start_server(name, "always")
    give_rights(server)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    monkeypatch.setenv("REDIS_URL", server.url)
    with (
        gateway(tmp_path, server.url, **user("relay-gateway", tmp_path)) as receiving,
        worker(
            tmp_path, server.url, "handlers:worker", **user("relay-worker", tmp_path)
        ) as working,
    ):
        for event_id in ("first", "again", "never", "first"):
            send(receiving.url, event_id)
        send(receiving.url, "ordered", "email.new")
        wait_until_sync(
            lambda: sorted(handled(tmp_path)) == ["again", "first", "ordered"],
            deadline_seconds=60,
            description="all are handled",
        )
        wait_until_sync(
            lambda: length(server, "relay:{unipile}@dead:keeper") == 1,
            description="one is set aside",
        )
        with server.client() as client:
            client.xgroup_create(STREAM, "gone")
        (letter,) = json.loads(command("dead list --json"))
        for words in COMMANDS:
            command(words.format(letter=letter["letter"]))
        wait_until_sync(
            lambda: handled(tmp_path).count("first") == 2,
            description="what is replayed is handled",
        )
        with server.client() as client:
            shorten_memory(client)
        wait_until_sync(
            lambda: length(server, STREAM) == 0,
            deadline_seconds=60,
            description="what is settled is trimmed",
        )
    said = receiving.output() + working.output()

    assert refused(server) == []
    assert PASSWORD not in said
