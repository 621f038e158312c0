"""Puts an accepted secret into the file from which its endpoint reads it."""

import os
import secrets
from collections.abc import Sequence
from hmac import compare_digest
from pathlib import Path

from relay.contract.references import read_secret_file

OWNER_ONLY = 0o600


class OtherSecret(Exception):
    """The file holds another secret; the argument is its path."""


def put_secret(secret: str, paths: Sequence[Path], *, replace: bool) -> Path | None:
    """Write a secret to the first of an endpoint's files that holds none.

    Args:
        secret: The secret.
        paths: The files, at least one.
        replace: Where all of them hold another one, the first may be overwritten.

    Returns:
        Which was written; none where one of them holds this secret already.

    Raises:
        OtherSecret: All of them hold another one.
        OSError: One cannot be read or written.
    """
    held = {path: _held(path) for path in paths}
    if any(compare_digest(text.encode(), secret.encode()) for text in held.values()):
        return None
    free = next((path for path, text in held.items() if not text), None)
    if free is None and not replace:
        raise OtherSecret(paths[0])
    path = free or paths[0]
    _write(path, secret)
    return path


def _held(path: Path) -> str:
    try:
        return read_secret_file(path).strip()
    except FileNotFoundError:
        return ""


def _write(path: Path, secret: str) -> None:
    """Write a file whole or not at all, for nobody but its owner."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
