"""Puts a spool in front of an appender, and has both counted."""

from pathlib import Path

from relay.append import Appender
from relay.metrics import Metrics, families
from relay.spool.directory import Directory
from relay.spool.look_up import LookUp
from relay.spool.observer import Failure, SpoolObserver
from relay.spool.spool import Spool
from relay.spool.spooling import Spooling


class _Reports(SpoolObserver):
    """Sends what the spool reports to the counters."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def spooled(self, tag: str) -> None:
        self._metrics.spooled(tag)

    def drained(self, tag: str) -> None:
        self._metrics.drained(tag)

    def failed(self, failure: Failure) -> None:
        self._metrics.spool_failed(failure)


def make_spooling(
    appender: Appender,
    find: LookUp,
    metrics: Metrics,
    *,
    path: Path,
    max_bytes: int,
    spread: bool,
) -> Spooling:
    """Put a spool in front of an appender.

    Args:
        appender: Stores events.
        find: Finds those that the dedupe index has forgotten.
        metrics: Counts.
        path: Where the spool is.
        max_bytes: How much this process may keep there.
        spread: The store is several servers.
    """
    spool = Spool(Directory(path), max_bytes=max_bytes, observer=_Reports(metrics))
    metrics.watch(families.SPOOL_EVENTS, lambda: spool.events)
    metrics.watch(families.SPOOL_BYTES, lambda: spool.size_bytes)
    metrics.watch(families.SPOOL_AGE, lambda: spool.oldest_seconds)
    return Spooling(appender, spool, find, spread=spread)
