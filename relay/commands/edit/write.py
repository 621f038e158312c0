"""Writes a changed file whole or not at all, with the mode and the owner that it had."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from relay.commands.edit.draft import Draft, NotEdited, check_draft
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable

# It names secrets and holds none, so whoever runs the gateway may read it.
NEW_MODE = 0o644


def write_draft(draft: Draft, environ: Mapping[str, str]) -> None:
    """Write a draft, if it can be used and nobody else has changed the file meanwhile.

    Args:
        draft: With its changes.
        environ: Environment variables; see `check_draft`.

    Raises:
        CommandFailed: It could not be used, or the file is no longer the one that was read.
        NotEdited: The file cannot be written; its lines are for the operator.
    """
    check_draft(draft, environ)
    # A link stays a link: what it leads to is replaced.
    path = Path(os.path.realpath(draft.path))
    try:
        if draft.found is None:
            _create(path, draft)
        else:
            _replace(path, draft, draft.found)
    except FileExistsError:
        raise changed_meanwhile(draft) from None
    except OSError as error:
        said = error.strerror or type(error).__name__
        why = f"{printable(draft.path)} cannot be written: {said}."
        raise NotEdited(why, draft.path, draft.lines) from None
    # It is written; a file system that cannot promise more is no reason to say otherwise.
    with suppress(OSError):
        _keep(path.parent)


def _create(path: Path, draft: Draft) -> None:
    with _beside(path, draft, NEW_MODE) as beside:
        # Unlike a rename it fails where there is one meanwhile.
        os.link(beside, path)


def _replace(path: Path, draft: Draft, found: bytes) -> None:
    with path.open("rb") as file:
        # Of two commands at the same time the second must see what the first one wrote.
        fcntl.flock(file, fcntl.LOCK_EX)
        status = os.fstat(file.fileno())
        with _beside(path, draft, status.st_mode & 0o7777) as beside:
            if (status.st_uid, status.st_gid) != (os.geteuid(), beside.stat().st_gid):
                os.chown(beside, status.st_uid, status.st_gid)
                beside.chmod(status.st_mode & 0o7777)  # a change of owner may take bits away
            if path.read_bytes() != found:
                raise changed_meanwhile(draft)
            beside.replace(path)


@contextmanager
def _beside(path: Path, draft: Draft, mode: int) -> Iterator[Path]:
    """Have the new text in a file of its own, on the disk, for the time of the block."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(draft.text.encode())
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def changed_meanwhile(draft: Draft) -> CommandFailed:
    """Say that the file is no longer the one that was read."""
    return CommandFailed(
        f"{printable(draft.path)} was changed while this command ran, so nothing was written. "
        "Run it again."
    )


def _keep(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
