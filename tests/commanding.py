"""The command line as a whole, for tests that look at every command."""

from typing import Any

import typer

from relay.commands import app


def every_command() -> dict[str, Any]:
    """Give each command by its words, as ``relay groups remove``; a group stands for itself too.

    Those that are imported when they are asked for are asked for.
    """
    found: dict[str, Any] = {}
    for name, command in typer.main.get_group(app).commands.items():
        _find(f"relay {name}", command, found)
    return found


def _find(words: str, command: object, found: dict[str, Any]) -> None:
    real: Any = getattr(command, "real", command)
    parts = getattr(real, "commands", {})
    if not parts or real.invoke_without_command:
        found[words] = real
    for part, leaf in parts.items():
        _find(f"{words} {part}", leaf, found)
