"""Knows whether the spool's disk takes what is written, and says a change of that once."""

from relay.contract.logs import Logger
from relay.spool.observer import SpoolObserver

_log = Logger("relay.spool")


class Condition:
    """How the spool is.

    Args:
        observer: Counts what goes wrong.
    """

    def __init__(self, observer: SpoolObserver) -> None:
        self._observer = observer
        # The disk has taken what was written last.
        self.is_sound = True
        self._is_full = False

    def failed(self, error: BaseException) -> None:
        """The disk or the directory has refused something."""
        self._observer.failed("disk")
        if self.is_sound:
            self.is_sound = False
            said = getattr(error, "sqlite_errorname", type(error).__name__)
            _log.error("spool_disk_failed", error=said)

    def works(self) -> None:
        """The disk has taken something."""
        if not self.is_sound:
            self.is_sound = True
            _log.info("spool_disk_works_again")

    def full(self, events: int, size_bytes: int) -> None:
        """There was no room for an event."""
        self._observer.failed("full")
        if not self._is_full:
            self._is_full = True
            _log.error("spool_full", events=events, bytes=size_bytes)

    def has_room(self) -> None:
        """A good part of it is free."""
        self._is_full = False
