"""Writes a new secret to a file of its own, for its owner only.

It lies beside the old one where that is a file, else in the directory of ``relay.toml``. A file
that a killed command has left is found again by what it holds.
"""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path

from relay.commands.secrets.known import Known
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.contract.references import read_secret_file
from relay.endpoint import Secret
from relay.handshake.secret_file import put_secret

SUFFIX = ".secret"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a new secret was written.

    Args:
        path: The file, absolute.
        advice: What is to be done about who may read it; empty where nothing is.
    """

    path: Path
    advice: str = ""


def keep_secret(endpoint: str, secret: Secret, olds: Sequence[Known], directory: Path) -> Kept:
    """Write a secret, or find where a command that was killed has written it.

    Args:
        endpoint: Whose it is.
        secret: The new one.
        olds: Those that are configured.
        directory: Where ``relay.toml`` is.

    Raises:
        CommandFailed: It could not be written anywhere.
    """
    text = secret.reveal().decode("utf-8", "surrogateescape")
    files = [known.reference.file for known in olds if known.reference.file is not None]
    failures = []
    for place in dict.fromkeys([*(file.absolute().parent for file in files), directory.absolute()]):
        found = _left_over(endpoint, text, place, files)
        path = found or place / new_name(endpoint)
        try:
            put_secret(text, [path], replace=False)
        except OSError as error:
            failures.append(f"{printable(place)}: {error.strerror or type(error).__name__}")
            continue
        like = files[0] if files else directory
        return Kept(path, _hand_over(path, like))
    raise CommandFailed(
        f"The new secret could not be written to a file ({'; '.join(failures)}).\n"
        "Nothing was changed."
    )


def new_name(endpoint: str) -> str:
    """Give a file for a new secret a name that none has, not even one of another command's."""
    day = datetime.now(UTC).date().isoformat()
    return f"{endpoint}-{day}-{secrets.token_hex(2)}{SUFFIX}"


def _left_over(endpoint: str, text: str, place: Path, used: Sequence[Path]) -> Path | None:
    for path in _of_endpoint(endpoint, place):
        if path not in used:
            with suppress(OSError, ValueError):
                held = read_secret_file(path).rstrip("\r\n")
                if compare_digest(held.encode(), text.encode("utf-8", "surrogateescape")):
                    return path
    return None


def _of_endpoint(endpoint: str, place: Path) -> Iterator[Path]:
    # Exactly: those of an endpoint whose name begins alike are not this one's to name.
    own = re.compile(rf"{re.escape(endpoint)}-\d{{4}}-\d\d-\d\d-[0-9a-f]{{4}}{SUFFIX}")
    with suppress(OSError):
        yield from sorted(path for path in place.iterdir() if own.fullmatch(path.name))


def _hand_over(path: Path, like: Path) -> str:
    """Give the file to whoever has the old one; where that takes somebody else, say so."""
    try:
        wanted, made = like.stat(), path.stat()
    except OSError:
        return ""
    if wanted.st_uid != made.st_uid:
        with suppress(OSError):
            os.chown(path, wanted.st_uid, wanted.st_gid)
            return ""
    is_shared = like.is_file() and bool(wanted.st_mode & 0o044)
    if wanted.st_uid == made.st_uid and not is_shared:
        return ""
    return f"Others may read {printable(like)}: see that the gateway can read the new file too."
