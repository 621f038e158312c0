"""The wish that a program ends: said once, in order; said again, at once.

Signals come in; an event that is set, and a call where it is urgent, go out.
"""

import asyncio
import atexit
import os
import signal
import time
from collections.abc import Callable

from relay.contract.signals import hear, replace_handler

# Ctrl-C reaches every program of a terminal, and some wrappers pass on what their child had
# already: two signals this close together are one wish.
ONE_WISH_SECONDS = 0.5
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """When and how urgently to end.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._signalled_at: float | None = None
        self._urgent = False
        self._heard: tuple[signal.Signals, ...] = ()
        self.wished = asyncio.Event()
        self.on_hurry: Callable[[], None] = lambda: None

    def listen(self) -> None:
        """Take each SIGTERM and SIGINT for a wish, and SIGHUP, of a terminal that is closed."""
        self._heard = SIGNALS
        # Whoever started the program by nohup wants it to outlive the terminal.
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            self._heard += (signal.SIGHUP,)
        for number in self._heard:
            hear(number, self.signalled)

    def over(self) -> None:
        """Take a further signal as the wish to leave at once, which is no failure any more.

        All has ended; but the interpreter waits for threads of the user's own.
        """
        for number in self._heard:
            replace_handler(number, _leave)
        # After its threads Python lets go of handlers, and a signal would be a failure again.
        atexit.register(_ignore)

    def signalled(self) -> None:
        """Hear a signal: the first begins the end, a later one makes it urgent."""
        if self._signalled_at is None:
            self._signalled_at = self._clock()
            self.begin()
        elif self._clock() - self._signalled_at >= ONE_WISH_SECONDS:
            self.hurry()

    def begin(self) -> None:
        """End in order; by whoever is no signal, so that a signal beside it is still the first."""
        self.wished.set()

    def hurry(self) -> None:
        """End at once."""
        self.wished.set()
        if not self._urgent:
            self._urgent = True
            self.on_hurry()


def _leave(_: int, __: object) -> None:
    os._exit(0)


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
