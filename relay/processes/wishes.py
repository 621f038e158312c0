"""What is asked of the parent: to end, or to read its configuration anew, and by whom."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass

from relay.processes.requests import Asked


@dataclass(frozen=True, slots=True)
class Wish:
    """A reload that is wanted, once for all who want it.

    Args:
        asked: Those that wait for an answer; a signal does not.
    """

    asked: tuple[Asked, ...]


class Wishes:
    """Two wishes, each of which can be waited for; from its making on signals only wish.

    Said again, neither is more urgent; a reload that is wished during one comes after it.
    """

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self._reload = asyncio.Event()
        self._asked: list[Asked] = []
        self._had_terminal = _has_terminal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def reload(self, asked: Asked | None = None) -> None:
        """Wish for a reload.

        Args:
            asked: Who waits for an answer, if anybody does.
        """
        if asked is not None:
            self._asked.append(asked)
        self._reload.set()

    async def next_reload(self, seconds: float) -> Wish | None:
        """Wait until a reload is wished, and take all wishes until now as one.

        Args:
            seconds: How long.

        Returns:
            The wish; none where there was none in that time.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._reload.wait()
        except TimeoutError:
            return None
        self._reload.clear()
        asked, self._asked = tuple(self._asked), []
        return Wish(asked)

    def _hung_up(self) -> None:
        """Tell an operator's signal from the end of the terminal, which says it too."""
        if self._had_terminal and not _has_terminal():
            self.end.set()
        else:
            self.reload()


def _has_terminal() -> bool:
    try:
        return os.isatty(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # there is no standard input
        return False
