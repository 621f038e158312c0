"""What commands import: importing is most of what a command does, and users wait for it."""

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
import typer

import consumers.commands
import relay.commands
from consumers.commands.groups import OTHERS
from tests.commanding import every_command

# Each takes about as long to import as everything that a command needs.
HEAVY = {"aiohttp", "structlog", "rich.table", "prometheus_client", "relay.app"}
HEAVY |= {"consumers.app", "consumers.worker", "relay.commands.unipile"}
NOWHERE = ["--redis-url", "redis://127.0.0.1:1/0"]
PROGRAM = """
import gc, sys
from relay.__main__ import main
try:
    main()
except SystemExit:
    print({})
"""


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "streams",
        "tail",
        "groups",
        "groups pause crm",
        "groups remove crm --dry-run",
        "dead list",
        "dead redrive --dry-run",
        "replay crm --dry-run",
    ],
)
def test_a_command_that_looks_imports_neither_gateway_nor_workers(command: str) -> None:
    """Nor what they alone need; it comes as far as to ask the store, which is not there."""
    where = [] if command == "--help" else NOWHERE

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format("*sys.modules"), *command.split(), *where],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert HEAVY & set(done.stdout.split()) == set(), done.stderr
    assert where == [] or "Redis cannot be reached" in done.stderr


def test_a_worker_that_nobody_asks_imports_no_web_server_and_no_senders_structs() -> None:
    """Each process of a worker would take a fifth longer to start."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys, consumers.commands.worker; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert {"aiohttp", "consumers.unipile"} & set(done.stdout.split()) == set()


def test_what_a_command_imports_is_not_looked_through_for_garbage() -> None:
    """It stays until the end; what comes later is."""
    told = PROGRAM.format("gc.isenabled(), gc.get_freeze_count() > 10_000")

    done = subprocess.run(
        [sys.executable, "-c", told, "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "True True"


EARLY = """
import atexit, gc, runpy, sys

def say(*about):
    begun, done = "redis" in sys.modules, hasattr(sys.modules.get({0!r}), "main")
    if begun and not done:
        print("looked through while it imports")

gc.callbacks.append(say)
atexit.register(gc.callbacks.clear)  # at the end Python itself looks
sys.argv = ["it"]
runpy.run_module({1!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("started", "needed"),
    [
        ("relay.processes", "relay.processes.child"),
        ("consumers", "consumers.commands.worker"),
        ("consumers.processes", "consumers.processes.child"),
    ],
)
def test_what_a_process_imports_is_not_looked_through_for_garbage(
    started: str, needed: str
) -> None:
    """It would be a tenth of the start; without arguments it ends there."""
    done = subprocess.run(
        [sys.executable, "-c", EARLY.format(needed, started)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "looked through" not in done.stdout


def test_the_list_of_commands_says_what_each_says_itself() -> None:
    """What is written down beside a command that is not imported yet is its own first sentence."""
    tables = {
        "relay": relay.commands.COMMANDS | consumers.commands.COMMANDS,
        "relay groups": OTHERS,
    }
    own = {words: command.get_short_help_str(200) for words, command in every_command().items()}
    for before, table in tables.items():
        for name, (target, summary) in table.items():
            assert summary == (said_of(target) or own[f"{before} {name}"])


def said_of(target: str) -> str | None:
    """Give what commands with one name in common say that they do together."""
    module, _, attribute = target.partition(":")
    found: Any = getattr(import_module(module), attribute)
    is_group = isinstance(found, typer.Typer) and isinstance(found.info.help, str)
    return found.info.help if is_group else None
