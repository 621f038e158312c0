"""The workers' sub-commands of ``relay``, one file per command."""

import typer

from relay.later import add_later

# What stands in the list of commands; the rest of a command's help stands with it.
COMMANDS = {
    "worker": (
        "consumers.commands.worker:worker",
        "Run the handlers of a Worker until SIGTERM or Ctrl-C.",
    ),
    "replay": (
        "consumers.commands.replay:replay",
        "Give events of the past to one group again.",
    ),
    "groups": (
        "consumers.commands.groups:app",
        "See how far groups have come; pause, resume and remove them.",
    ),
    "dead": (
        "consumers.commands.dead:app",
        "Look at events that could not be handled, and mend them.",
    ),
}


def register(app: typer.Typer) -> None:
    """Add the commands to ``relay``; called through its entry point."""
    add_later(app, COMMANDS)
