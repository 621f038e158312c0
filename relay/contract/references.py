"""Secrets are named where they are configured, and read from a variable or a file.

A reference comes in, the secret's text goes out, or a sentence that says what is wrong and never
holds any of it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from relay.contract.printable import printable

ReadFile = Callable[[Path], str]


A_TIME = "a time with its zone, such as 2026-12-01T08:00:00Z"
_WHERE = 'write { env = "VARIABLE" } or { file = "/path" }'
# In characters; a chain of certificates is shorter. A gateway reads each file again and again.
MAX_FILE_LENGTH = 1024 * 1024
# What is no such word may be the secret, written where the variable's name belongs.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


class SecretReference(BaseModel):
    """Where a secret is read from: exactly one of a variable and a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _says_where(cls, given: object) -> object:
        # Most likely it is the secret itself.
        if isinstance(given, str):
            raise ValueError(f"{_WHERE}; the secret itself does not belong here")  # noqa: TRY004 - pydantic's
        return given

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError(_WHERE)
        return self

    @property
    def name(self) -> str:
        """Where it is; safe to print where it could be read."""
        return f"file:{self.file}" if self.env is None else f"env:{self.env}"

    @property
    def unread_name(self) -> str:
        """Where it is, safe to print where it could not be read: not what may be the secret."""
        return self.name if self.env is None or _VARIABLE.fullmatch(self.env) else "env:…"


def _check_zone(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(A_TIME)
    return at


Moment = Annotated[datetime, AfterValidator(_check_zone)]


class BoundedReference(SecretReference):
    """Where a secret is read from that proves deliveries, and when it does."""

    not_before: Moment | None = None
    not_after: Moment | None = None

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if self.not_before and self.not_after and self.not_before >= self.not_after:
            raise ValueError("not_before must be earlier than not_after")
        return self

    @property
    def not_before_ms(self) -> int | None:
        """From when on it counts, ms since the epoch."""
        return None if self.not_before is None else int(1000 * self.not_before.timestamp())

    @property
    def not_after_ms(self) -> int | None:
        """Until when it counts, ms since the epoch."""
        return None if self.not_after is None else int(1000 * self.not_after.timestamp())


class NotAFile(OSError):
    """It is a directory, a pipe or a device."""


class TooLong(ValueError):
    """It holds more than any secret."""


def read_secret_file(path: Path) -> str:
    """Read a secret's file.

    Returns:
        Its text; nothing of it where it holds zeros only.

    Raises:
        OSError: It cannot be read, or is not a file.
        ValueError: It is not text, or longer than any secret.
    """
    if path.exists() and not path.is_file():
        # A pipe would be waited for, and a device never ends.
        raise NotAFile
    # Each end of a line within it stays as it is.
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read(MAX_FILE_LENGTH + 1)
    if len(text) > MAX_FILE_LENGTH:
        raise TooLong
    # Zeros are what some file systems leave where a crash has lost what was written.
    return text if text.strip("\0 \t\r\n") else ""


def unset(variable: str) -> str:
    """Say that a variable is missing, by its name only where that is sure to be no secret."""
    if _VARIABLE.fullmatch(variable):
        return f"the environment variable {variable} is not set or empty"
    return "the environment variable that env names is not set or empty (env takes its name)"


def _shown(path: Path) -> str:
    """Name a file that cannot be read, unless that may be the secret, where its path belongs."""
    if path.is_absolute() or "." in str(path):
        return printable(path)
    return "what file names (it takes a path)"


def read_secret(reference: SecretReference, environ: Mapping[str, str], read_file: ReadFile) -> str:
    """Read a secret from where it is.

    Args:
        reference: Where that is.
        environ: Variables that hold secrets.
        read_file: Gives the text of a file that holds one.

    Raises:
        ValueError: It is not there, or cannot be read.
    """
    if reference.env is not None:
        text = environ.get(reference.env, "")
        if not text.strip():
            raise ValueError(unset(reference.env))
        return text
    path = reference.file or Path()
    try:
        text = read_file(path)
    except NotAFile:
        raise ValueError(f"{printable(path)} is not a file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {_shown(path)}: {type(error).__name__}") from None
    # Editors and echo end a file with a newline; no secret has one.
    secret = text.rstrip("\r\n")
    if not secret.strip():
        raise ValueError(f"{printable(path)} is empty")
    return secret
