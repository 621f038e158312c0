"""Commands that other installed packages bring."""

from importlib.metadata import EntryPoint, entry_points

import typer

from relay.contract.display import warn
from relay.contract.printable import printable

GROUP = "relay.commands"


def add_plugins(app: typer.Typer) -> None:
    """Let every entry point of the group register its commands.

    A broken one costs its own commands and a line on standard error, never the others.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            _add(app, entry)
        except Exception as error:  # noqa: BLE001 - another package's code may raise anything
            warn(
                f"relay: the commands of {printable(entry.name)} ({printable(entry.value)}) are "
                f"missing, they could not be loaded: {type(error).__name__}: {printable(error)}"
            )


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    """Take a package's commands only as a whole."""
    own = typer.Typer()
    entry.load()(own)
    app.registered_commands += own.registered_commands
    app.registered_groups += own.registered_groups
