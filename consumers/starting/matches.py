"""Says at the start of a worker which streams each handler reads, or that there are none.

A misspelt pattern is no fault, since its stream may begin tomorrow; but it must not look like
work that never comes.
"""

from collections.abc import Collection, Sequence
from typing import Any

import structlog

from consumers.dispatch import Routes
from consumers.rooms import Room
from relay.contract.printable import printable

# A line is for people; `relay streams` shows the rest.
SHOWN = 20

_log = structlog.get_logger("consumers.starting.matches")


class Matches:
    """Says it once in the life of a process.

    Args:
        routes: Knows which streams lead to whom.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._said = False

    def say(self, types: Collection[str]) -> None:
        """Say it, the first time.

        Args:
            types: What exists, each as ``endpoint:type``.
        """
        if self._said:
            return
        self._said = True
        handlers = [room.handler for room in self._routes.rooms]
        if not self._routes.streams:
            patterns = _some([str(handler.pattern) for handler in handlers])
            _log.warning("no_stream_matches", patterns=patterns, types=_some(sorted(types)))
            return
        for room in self._routes.rooms:
            _log.info(
                "handler_reads",
                handler=room.handler.name,
                pattern=printable(room.handler.pattern),
                streams=_some(self._read_by(room)),
            )

    def _read_by(self, room: Room) -> list[str]:
        return sorted(key for key, (_, whose) in self._routes.streams.items() if whose is room)


def _some(names: Sequence[Any]) -> list[str]:
    """Give the first names, safe to show, and how many more there are."""
    shown = [printable(name) for name in names[:SHOWN]]
    more = len(names) - len(shown)
    return [*shown, f"and {more} more"] if more else shown
