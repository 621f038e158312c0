"""The secret with which senders sign during ``relay dev``: given, or made once and kept."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.embedded import DataDirectory
from relay.settings import DEFAULT_SECRET_VARIABLE


@dataclass(frozen=True, slots=True)
class DevSecret:
    """A secret and where it is.

    Args:
        value: The secret's text, never shown.
        is_ours: We made it, and it lies in the data directory.
    """

    value: str = field(repr=False)
    is_ours: bool


def find_secret(environ: Mapping[str, str], directory: DataDirectory) -> DevSecret:
    """Give the secret from the environment, else the one in the directory, else a new one."""
    given = environ.get(DEFAULT_SECRET_VARIABLE)
    if given:
        return DevSecret(given, is_ours=False)
    file = directory.secret_file
    kept = file.read_text("utf-8").strip() if file.exists() else ""
    if not kept:
        kept = secrets.token_urlsafe(32)
        directory.write_private(file, f"{kept}\n")
    return DevSecret(kept, is_ours=True)
