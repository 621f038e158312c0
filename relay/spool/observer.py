"""What the spool reports; each method may be overridden, none may block."""

from typing import Literal

Failure = Literal["disk", "full", "unreadable_row", "refused"]


class SpoolObserver:
    """Takes no notice of anything."""

    def spooled(self, tag: str) -> None:
        """An event is on the disk."""

    def drained(self, tag: str) -> None:
        """An event went from there into its stream, or was found in it."""

    def failed(self, failure: Failure) -> None:
        """The disk refused, there was no room, or an event cannot be drained."""
