"""Knows which servers of the store are not worth asking: each from a failure until it answers."""

import asyncio
import random
from collections.abc import Callable, Hashable

# How long is waited before a server is asked again.
PROBE_SECONDS = 0.4


class Breakers:
    """One breaker for each server; open means that events for it go straight to the spool.

    Args:
        server_of: Gives the server that has a tag now, the same object for the same server.
    """

    def __init__(self, server_of: Callable[[str], Hashable]) -> None:
        self._server_of = server_of
        # Those that are open, and whether the server has answered a probe since.
        self._open: dict[Hashable, bool] = {}
        # Asked for each event, so no more than an attribute.
        self.any_open = False
        # How often servers have failed; whoever asks one sees whether it did meanwhile.
        self.trips = 0
        # The number of each one's last time.
        self._last_trips: dict[Hashable, int] = {}
        # Set with each; whoever waits for one clears it.
        self.opened = asyncio.Event()

    @property
    def away(self) -> list[Hashable]:
        """The servers that have failed, and have not answered since."""
        return [server for server, answers in self._open.items() if not answers]

    @property
    def answering(self) -> list[Hashable]:
        """The servers that answer, and whose breaker is open still."""
        return [server for server, answers in self._open.items() if answers]

    def server_of(self, tag: str) -> Hashable:
        """Give the server that has a tag now."""
        return self._server_of(tag)

    def is_open(self, tag: str) -> bool:
        """Tell whether the events of a tag go straight to the spool."""
        return self.any_open and self._server_of(tag) in self._open

    def is_away(self, tag: str) -> bool:
        """Tell whether nothing of a tag is worth sending, also not to try."""
        return self.any_open and not self._open.get(self._server_of(tag), True)

    def has_failed_since(self, tag: str, trips: int) -> bool:
        """Tell whether the server of a tag has failed, whether or not it has answered by now.

        Args:
            tag: Which.
            trips: How often servers had failed before.
        """
        return self._last_trips.get(self._server_of(tag), 0) > trips

    def open(self, server: Hashable) -> None:
        """A server has failed."""
        self._open[server] = False
        self.any_open = True
        self.trips += 1
        self._last_trips[server] = self.trips
        self.opened.set()

    def answered(self, server: Hashable) -> None:
        """A server has answered a probe."""
        if server in self._open:
            self._open[server] = True

    def close(self, server: Hashable) -> None:
        """Send to a server again, unless it has failed since it answered."""
        if self._open.get(server):
            del self._open[server]
        self.any_open = bool(self._open)

    def close_all(self) -> None:
        """Send to every server again, whether or not it has answered."""
        self._open.clear()
        self.any_open = False

    @staticmethod
    def pause_seconds() -> float:
        """Say how long to wait until the next attempt: gateways shall not ask all at once."""
        return PROBE_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
