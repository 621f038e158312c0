"""What the appender reports, for whoever counts it or has to act on it."""

from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from relay.append.script import Dropped


class Observer:
    """What the appender reports; each method may be overridden, none may block."""

    def flushed(self, events: int, seconds: float) -> None:
        """One flush was answered."""

    def confirmed(self, tag: str, seconds: Sequence[float]) -> None:
        """Events of a tag have their answer; how long each had waited for it."""

    def duplicate(self, tag: str, entry_id: str) -> None:
        """An event had an entry already."""

    def registered(self, tag: str, event_type: str) -> None:
        """A stream was begun."""

    def misplaced(self, tag: str) -> None:
        """An event went to ``unidentified``, since its tag has too many types, or new ones."""

    def changed_body(self, tag: str) -> None:
        """A known id came with another body, which was dropped."""

    def failed(self, give_up: Callable[[], None], server: Redis) -> None:
        """A flush was not answered, not in time, or by too few replicas.

        Args:
            give_up: Answers all who wait for the same server; see `Appender.give_up`.
            server: Whose flush, as `Appender.server_of` names it.
        """

    def stream_full(self, tag: str, event_type: str) -> None:
        """An event was refused, since the stream of this type is at its cap."""

    def dropped(self, tag: str, dropped: Dropped) -> None:
        """A stream at its cap has lost its oldest entries."""

    def connected(self) -> None:
        """The store answers again."""

    def replicated(self, replicas: int, *, is_enough: bool) -> None:
        """So many replicas are known to have what one flush has stored."""
