"""Notices that a file with a secret holds another one, by what is in it.

A configuration comes in, the texts that it should be made of now go out. A file that is missing,
empty or cannot be read for a while counts as it was: senders go on signing with what it held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from relay.contract.references import read_secret_file

LOOK_SECONDS = 2.0

_log = structlog.get_logger("relay.processes")


@dataclass(frozen=True, slots=True)
class _Found:
    """How a file was.

    Args:
        text: What it holds; none where it holds nothing.
        why: Why that is.
    """

    text: str | None
    why: str = ""

    def __repr__(self) -> str:
        return f"_Found({self.why!r})"


class SecretFiles:
    """Looks again and again, and speaks once of each state of the files."""

    def __init__(self) -> None:
        self._last: dict[str, _Found] | None = None
        self._judged: dict[str, _Found] | None = None

    def look(self, taken: Mapping[str, str | None]) -> dict[str, str | None] | None:
        """Look at the files once.

        What differs counts when two looks in a row have found the same: a file is often written
        in several steps, and files that belong together one after the other.

        Args:
            taken: The path of each file, and what it held when it was taken over; none where it
                was not there.

        Returns:
            What they hold now, each as far as it holds something, else as taken; nothing where
            none differs, or the same was said before.
        """
        found = {path: _look_at(Path(path)) for path in taken}
        is_settled, self._last = found == self._last, found
        if not is_settled or found == self._judged:
            return None
        self._judged = found
        _warn_of_lost(found, taken)
        now = {
            path: text if (text := found[path].text) is not None else before
            for path, before in taken.items()
        }
        return None if now == taken else now

    def forget(self) -> None:
        """Speak of the same state again."""
        self._judged = None


def _warn_of_lost(found: Mapping[str, _Found], taken: Mapping[str, str | None]) -> None:
    lost = [
        f"{path}: {one.why}"
        for path, one in found.items()
        if one.text is None and (taken[path] or "").strip()
    ]
    if lost:
        _log.warning("secrets_unusable", faults=lost)


def _look_at(path: Path) -> _Found:
    try:
        text = read_secret_file(path)
    except FileNotFoundError:
        return _Found(None, "the file is gone")
    except (OSError, ValueError) as error:
        return _Found(None, f"cannot be read: {type(error).__name__}")
    return _Found(text) if text.strip() else _Found(None, "the file is empty")
