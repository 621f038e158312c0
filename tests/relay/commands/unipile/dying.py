"""Runs commands in processes that kill themselves as soon as an effect of theirs has happened.

A program: each line of standard input is a JSON array, after which effect to die (0: never) and the
command; each line of standard output says how it ended. It imports everything once, and forks.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import tomlkit
import typer

from relay.commands import app, reload
from relay.commands.secrets import change
from relay.commands.unipile import reloading, secret_here
from relay.commands.unipile.connect import go as connecting
from relay.commands.unipile.rotate import go as rotating
from relay.providers import PROVIDERS
from relay.unipile.api import UnipileApi

# What commands import and build when they are run, once for all of them.
COMMAND: Any = typer.main.get_command(app)
LOADED = COMMAND.commands["unipile"].real, connecting, rotating, tomlkit, PROVIDERS["unipile"]


def main() -> None:
    """Run each command of standard input in a process of its own."""
    for line in sys.stdin:
        after, arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = _run(after, arguments)
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


class Effects:
    """Counts effects, and ends the process with the last that is allowed.

    Args:
        most: How many there may be; 0 for any number.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def happened(self) -> None:
        """Take note of one."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def plain(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Have a function count."""

        def effect(*given: Any, **named: Any) -> Any:
            came = real(*given, **named)
            self.happened()
            return came

        return effect

    def awaited(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Have a coroutine count."""

        async def effect(*given: Any, **named: Any) -> Any:
            came = await real(*given, **named)
            self.happened()
            return came

        return effect


def _run(after: int, arguments: list[str]) -> int:
    reload.HEAR_SECONDS, reload.OTHERS_SECONDS, reload.BLOCK_SECONDS = 0.3, 0.05, 0.02
    effects = Effects(after)
    for owner, name in (
        (UnipileApi, "create_endpoint"),
        (UnipileApi, "update_endpoint"),
        (UnipileApi, "delete_endpoint"),
        (reloading, "reload_all"),
    ):
        setattr(owner, name, effects.awaited(getattr(owner, name)))
    for module, name in (
        (secret_here, "keep_secret"),
        (secret_here, "write_draft"),
        (change, "write_draft"),
    ):
        setattr(module, name, effects.plain(getattr(module, name)))
    sys.stdout = sys.stderr
    try:
        COMMAND.main(arguments, "relay")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    main()
