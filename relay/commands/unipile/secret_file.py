"""Hands a secret over to a relay on another machine: a file that goes there, and lines to add.

The secret comes in and is in the file alone; nothing of it is said.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from relay.commands.edit.render import key_text, value_text
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable

OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that is yet to be made.

    Args:
        path: Where, absolute.
    """

    path: Path

    def keep(self, text: str) -> None:
        """Write the secret, for its owner only.

        Raises:
            CommandFailed: It could not be written; there is no file then, or another's.
        """
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        except OSError as error:
            raise self._not_written(error) from None
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise self._not_written(error) from None

    def lines(self, name: str, provider: str) -> list[str]:
        """Give what is to be added to the ``relay.toml`` of that machine.

        Args:
            name: The endpoint's name there.
            provider: Its preset.
        """
        return [
            f"[endpoints.{key_text(name)}]",
            f"provider = {value_text(provider)}",
            f"secrets = [{value_text({'file': str(self.path)})}]",
        ]

    def _not_written(self, error: OSError) -> CommandFailed:
        said = error.strerror or type(error).__name__
        return CommandFailed(f"The secret was not written to {printable(self.path)}: {said}.")


def secret_file(path: Path) -> SecretFile:
    """Judge where a secret is to be written, before there is one.

    Raises:
        CommandFailed: Something is there, or nothing can be written there.
    """
    whole = path.absolute()
    if not str(whole).isprintable():
        raise _wrong("a path has no control characters")
    if os.path.lexists(whole):
        raise _wrong(f"{printable(whole)} is there already, and may hold another secret")
    if not whole.parent.is_dir() or not os.access(whole.parent, os.W_OK):
        raise _wrong(f"nothing can be written to {printable(whole.parent)}")
    return SecretFile(whole)


def _wrong(why: str) -> CommandFailed:
    return CommandFailed(f"--secret-file: {why}.", exit_code=WRONG_USAGE)
