"""What signals ask of the parent: to end, or to read its configuration anew."""

import asyncio
import os
import signal
import sys


class Wishes:
    """Two wishes, each of which can be waited for; from its making on signals only wish.

    Said again, neither is more urgent; a reload that is wished during one comes after it.
    """

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.reload = asyncio.Event()
        self._had_terminal = _has_terminal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _hung_up(self) -> None:
        """Tell an operator's signal from the end of the terminal, which says it too."""
        lost = self._had_terminal and not _has_terminal()
        (self.end if lost else self.reload).set()


def _has_terminal() -> bool:
    try:
        return os.isatty(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # there is no standard input
        return False
