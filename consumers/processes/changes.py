"""Tells when a program's code has changed, by looking at its files every moment.

Directories come in; the files that were written, made or removed go out, once nothing more
happens to them: an editor or a checkout writes many, one after the other.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

LOOK_SECONDS = 0.5
# Whatever begins with a dot is passed over too, and so is a virtual environment.
PASSED_OVER = {"__pycache__", "node_modules", "site-packages"}

# What is known of a file: when it was written, in ns, and how long it is.
_State = dict[str, tuple[int, int]]


class Changes:
    """Watches Python files.

    Args:
        roots: Directories, with all below them, or single files.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._known = _state_of(roots)
        self._found = self._known

    async def wait(self) -> None:
        """Return when something has changed, and did not change again until the next look."""
        while True:
            before, self._found = self._found, await self._look()
            if self._found != self._known and self._found == before:
                return

    def take(self) -> list[str]:
        """Give the files that have changed, sorted, and know them as they are now."""
        pairs = self._known.items() ^ self._found.items()
        self._known = self._found
        return sorted({path for path, _ in pairs})

    async def _look(self) -> _State:
        await asyncio.sleep(LOOK_SECONDS)
        # A large tree takes a while, and the loop has children to watch.
        return await asyncio.to_thread(_state_of, self._roots)


def roots_of(module_name: str) -> list[Path]:
    """Say what to watch for a module: the current directory, and the module where it is elsewhere.

    Nothing is imported.
    """
    here = Path.cwd()
    spec = PathFinder.find_spec(module_name.partition(".")[0], [str(here), *sys.path])
    if spec is None:
        return [here]
    places = spec.submodule_search_locations or ([spec.origin] if spec.origin else [])
    return [here, *(Path(place) for place in places if not Path(place).is_relative_to(here))]


def _state_of(roots: Sequence[Path]) -> _State:
    found: _State = {}
    for root in roots:
        for path in _files(root):
            try:
                seen = path.stat()
            except OSError:
                continue  # removed while we looked
            found[str(path)] = (seen.st_mtime_ns, seen.st_size)
    return found


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    for directory, inner, names in os.walk(root):
        inner[:] = [name for name in inner if _is_watched(Path(directory, name))]
        yield from (Path(directory, name) for name in names if name.endswith(".py"))


def _is_watched(directory: Path) -> bool:
    name = directory.name
    if name.startswith(".") or name in PASSED_OVER:
        return False
    return not (directory / "pyvenv.cfg").exists()
