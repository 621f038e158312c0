"""Every example as a user runs it: its worker beside a gateway, a database and the services."""

import json
import os
import re
import runpy
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.contract.examples import example
from tests.conftest import StartServer
from tests.examples.conftest import Database
from tests.examples.services import Sender, Service
from tests.programs import Program, gateway, worker
from tests.servers import Server
from tests.signing import signed
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parent.parent.parent
TARGETS = {
    "print_events": "examples.print_events:worker",
    "postgres_once": "examples.postgres_once:worker",
    "flaky_api": "examples.flaky_api:worker",
    "ordered_chats": "examples.ordered_chats:worker",
    "batch_insert": "examples.batch_insert:worker",
    "backfill": "examples.backfill.worker:worker",
    "alert_on_disconnect": "examples.alert_on_disconnect:worker",
}
ACCOUNT = "acc_1"
NOW = datetime.now(UTC)
SECRET_TEXT = "do-not-log-this"


def time_of(minutes: float) -> str:
    """Write a time, in minutes from now."""
    at = NOW + timedelta(minutes=minutes)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(event_type: str, number: int, **payload: Any) -> bytes:
    """Write an event of the account as the sender would."""
    body = json.loads(example("unipile", event_type))
    body |= {"id": f"evt_{number}", "account_id": ACCOUNT, "account_name": "Ada"}
    body["payload"] |= payload
    return json.dumps(body).encode()


def message(name: str, minutes: float) -> dict[str, Any]:
    """Make a message as the sender's API lists it."""
    return {"id": name, "chat_id": "c1", "timestamp": time_of(minutes), "text": SECRET_TEXT}


def events() -> list[bytes]:
    """Give two messages and a gap with one more in it, which no webhook brings."""
    return [
        body_of("message.new", 1, **message("m1", -31)),
        body_of("account.status.disconnected", 2, timestamp=time_of(-30)),
        body_of("account.status.running", 3, timestamp=time_of(-1)),
        body_of("message.new", 4, **message("m3", 0)),
    ]


async def test_every_example_does_what_it_is_for(
    database: Database,
    start_server: StartServer,
    tmp_path: Path,
) -> None:
    """A gateway takes deliveries; each example's worker has its effect once."""
    crm, chat, sender = Service(), Service(), Sender()
    sender.messages = [message("m1", -31), message("m2", -15), message("m3", 0)]
    crm.fail(503, retry_after="1")
    async with AsyncExitStack() as stack:
        for service in (crm, chat, sender):
            await stack.enter_async_context(service.serving())
        variables = {
            "DATABASE_URL": os.environ["DATABASE_URL"],
            "PYTHONPATH": str(ROOT),
            "CRM_URL": f"{crm.url}api/",
            "CRM_TOKEN": "secret-token",
            "CHAT_WEBHOOK_URL": f"{chat.url}secret-path",
            "UNIPILE_API_URL": sender.url,
            "UNIPILE_API_KEY": "secret-key",
        }
        make_tables()
        server = start_server("valkey", "always")
        workers = start_all(stack.enter_context(ExitStack()), server, tmp_path, variables)
        program = stack.enter_context(gateway(tmp_path, server.url))
        await until(workers, lambda text: "handler_reads" in text or "no_stream" in text)
        await send(program.url, events()[:2])
        # What is over when it is heard of is no alarm, and streams have no order among them.
        await wait_until(
            lambda: bool(effects(database, crm, chat, workers)["alert_on_disconnect"]),
            description="the account is known to be disconnected",
        )
        await send(program.url, events()[2:])
        for name, expected in EXPECTED.items():
            await wait_until(
                lambda name=name, expected=expected: (  # type: ignore[misc]
                    effects(database, crm, chat, workers)[name] == expected
                ),
                deadline_seconds=30,
                description=f"{name} has had its effect:\n{workers[name].output()[-3000:]}",
            )
        for each in workers.values():
            each.process.terminate()
        ended = [each.process.wait(20) for each in workers.values()]
        said = "".join(each.output() for each in workers.values())

    assert effects(database, crm, chat, workers) == EXPECTED
    assert ended == [0] * len(workers)
    assert [line for line in said.splitlines() if "attempt_failed" in line] == []
    assert [word for word in (SECRET_TEXT, "secret-", "Traceback") if word in said] == []


EXPECTED = {
    "print_events": ["account.status.disconnected", "account.status.running", "message.new"],
    "postgres_once": [(2,)],
    "flaky_api": ["m1", "m3"],
    "ordered_chats": [(1, "m1"), (2, "m3")],
    "batch_insert": [("m1",), ("m3",)],
    "backfill": [("m1",), ("m2",), ("m3",)],
    "alert_on_disconnect": ["disconnected", "running"],
}


def effects(
    database: Database, crm: Service, chat: Service, workers: dict[str, Program]
) -> dict[str, Any]:
    """Say what each example has done until now."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        return database.execute(query.encode()).fetchall()

    printed = re.findall(r"type=(\S+)", workers["print_events"].output())
    told = [asked.json["text"] for asked in chat.asked]
    forwarded = {asked.json["id"] for asked in crm.asked}
    return {
        "print_events": sorted(set(printed)),
        "postgres_once": ask("SELECT received FROM messages"),
        "flaky_api": sorted(forwarded),
        "ordered_chats": ask("SELECT line, message FROM chat_lines ORDER BY line"),
        "batch_insert": ask("SELECT message FROM inbox ORDER BY message"),
        "backfill": ask("SELECT message FROM archived_messages ORDER BY message"),
        "alert_on_disconnect": sorted(
            word for text in told for word in ("disconnected", "running") if word in text
        ),
    }


def make_tables() -> None:
    """Do what the heads of the examples say, as ``python -m`` would."""
    for target in TARGETS.values():
        if "DATABASE_URL" in source_of(target).read_text("utf-8"):
            runpy.run_path(str(source_of(target)), run_name="__main__")


def source_of(target: str) -> Path:
    """Give the file of an example."""
    module = target.partition(":")[0]
    return ROOT / f"{module.replace('.', '/')}.py"


def start_all(
    stack: ExitStack, server: Server, directory: Path, variables: dict[str, str]
) -> dict[str, Program]:
    """Start a worker of each example."""
    return {
        name: stack.enter_context(worker(directory, server.url, target, name=name, **variables))
        for name, target in TARGETS.items()
    }


async def until(workers: dict[str, Program], said: Callable[[str], bool]) -> None:
    """Wait until each worker has said something."""
    for name, program in workers.items():
        await wait_until(
            lambda program=program: said(program.output()),  # type: ignore[misc]
            deadline_seconds=30,
            description=f"{name} is ready",
        )


async def send(url: str, bodies: list[bytes]) -> None:
    """Send signed deliveries, one after the other."""
    async with aiohttp.ClientSession() as session:
        for body in bodies:
            async with session.post(url, data=body, headers=signed(body)) as response:
                assert response.status == 200


def test_an_example_can_be_read_at_one_go() -> None:
    """None of their files is long."""
    lines = {
        file.name: len(file.read_text("utf-8").splitlines())
        for file in (ROOT / "examples").rglob("*.py")
    }

    assert {name: count for name, count in lines.items() if count > 120} == {}


def test_every_example_is_listed() -> None:
    """The page names each, with its target, and what is run above is all of them."""
    page = (ROOT / "examples" / "README.md").read_text("utf-8")
    files = {
        f"examples.{file.relative_to(ROOT / 'examples').with_suffix('')}:worker".replace("/", ".")
        for file in (ROOT / "examples").rglob("*.py")
        if re.search(r"^worker = Worker\(", file.read_text("utf-8"), re.MULTILINE)
    }

    assert files == set(TARGETS.values())
    assert [target for target in files if f"`{target}`" not in page] == []
    heads = {target: source_of(target).read_text("utf-8") for target in files}
    assert [
        target for target, head in heads.items() if f"relay worker {target}\n" not in head
    ] == []
