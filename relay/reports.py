"""Sends what the appender reports to the counters and to whom it concerns."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog
from redis.asyncio import Redis

from relay.announce import Announcer
from relay.append import Dropped, Observer
from relay.caps import StreamCaps
from relay.contract.keys import made_at
from relay.metrics import Metrics
from relay.warn import Warnings

if TYPE_CHECKING:
    from relay.spool.spooling import Spooling

# Where these lines have always come from.
_log = structlog.get_logger("relay.app")


class Reports(Observer):
    """Passes on what becomes of events.

    Args:
        metrics: Counts.
        announcer: Makes new streams known.
        warnings: Looks at the store again.
        caps: Knows how full streams are.
    """

    def __init__(
        self, metrics: Metrics, announcer: Announcer, warnings: Warnings, caps: StreamCaps
    ) -> None:
        self._metrics = metrics
        self._announcer = announcer
        self._warnings = warnings
        self._caps = caps
        self._is_enough = True
        self.spooling: Spooling | None = None

    def flushed(self, events: int, seconds: float) -> None:
        """One flush was answered."""
        self._metrics.flushed(events, seconds)

    def confirmed(self, tag: str, seconds: Sequence[float]) -> None:
        """Events of a tag have their answer; how long each had waited for it."""
        self._metrics.confirmed(tag, seconds)

    def duplicate(self, tag: str, entry_id: str) -> None:
        """An event had an entry already."""
        self._metrics.duplicate(tag, time.time() - made_at(entry_id))

    def misplaced(self, tag: str) -> None:
        """An event went to ``unidentified``, since its tag has too many types, or new ones."""
        self._metrics.misplaced(tag)

    def changed_body(self, tag: str) -> None:
        """A known id came with another body, which was dropped."""
        self._metrics.changed_body(tag)
        _log.warning("changed_body_dropped", tag=tag)

    def registered(self, tag: str, event_type: str) -> None:
        """A stream was begun."""
        self._announcer.registered(tag, event_type)
        self._caps.registered(tag, event_type)

    def stream_full(self, tag: str, event_type: str) -> None:
        """An event was refused, since the stream of this type is at its cap."""
        self._caps.report.refused(tag, event_type)

    def dropped(self, tag: str, dropped: Dropped) -> None:
        """A stream at its cap has lost its oldest entries."""
        self._caps.report.dropped(tag, dropped)

    def failed(self, give_up: Callable[[], None], server: Redis) -> None:
        """Pass it on."""
        if self.spooling is not None:
            self.spooling.failed(give_up, server)

    def connected(self) -> None:
        """The store answers again."""
        self._announcer.connected()
        self._warnings.connected()
        _log.info("store_answers_again")

    def replicated(self, replicas: int, *, is_enough: bool) -> None:
        """So many replicas are known to have what one flush has stored."""
        self._metrics.confirming_replicas(replicas)
        was_enough, self._is_enough = self._is_enough, is_enough
        if is_enough != was_enough:
            event = "replicas_confirm_again" if is_enough else "too_few_replicas"
            _log.warning(event, replicas=replicas)
