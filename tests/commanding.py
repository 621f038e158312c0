"""The command line as a whole, for tests that look at every command."""

from typing import Any

import typer

from relay.commands import app


def every_command() -> dict[str, Any]:
    """Give each command by its words, as ``relay groups remove``; a group stands for itself too.

    Those that are imported when they are asked for are asked for.
    """
    found = {}
    for name, command in typer.main.get_group(app).commands.items():
        real: Any = getattr(command, "real", command)
        parts = getattr(real, "commands", {})
        if not parts or real.invoke_without_command:
            found[f"relay {name}"] = real
        for part, leaf in parts.items():
            found[f"relay {name} {part}"] = getattr(leaf, "real", leaf)
    return found
