"""Says which streams are full and what they lose: a line a minute for each, and counts."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import structlog

from relay.append import Dropped
from relay.contract.keys import Keys
from relay.metrics import Metrics

QUIET_SECONDS = 60.0
# A sender may invent types without end.
MAX_STREAMS = 4096

_log = structlog.get_logger("relay.caps")


@dataclass(slots=True)
class _Loss:
    """What a stream has lost that was not said yet."""

    entries: int = 0
    unsettled: int = 0
    said_at: float | None = None


class CapReport:
    """Tells the operator.

    Args:
        keys: Names the streams.
        metrics: Is told of what was dropped.
    """

    def __init__(self, keys: Keys, metrics: Metrics) -> None:
        self._keys = keys
        self._metrics = metrics
        self._losses: dict[str, _Loss] = {}
        self._refused_at: dict[str, float] = {}

    def refused(self, tag: str, event_type: str) -> None:
        """An event was refused by the script, since its stream has as many entries as it may."""
        stream = self._keys.stream(tag, event_type)
        now = _now()
        if now - self._refused_at.get(stream, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        if len(self._refused_at) >= MAX_STREAMS:
            self._refused_at.clear()
        self._refused_at[stream] = now
        self._say_full(stream, "entries")

    def closed(self, stream: str) -> None:
        """A stream is as long as it may be."""
        self._say_full(stream, "bytes")

    def opened(self, stream: str) -> None:
        """It is not any more."""
        _log.warning("stream_has_room", stream=stream)

    def dropped(self, tag: str, dropped: Dropped) -> None:
        """A stream has lost its oldest entries."""
        if not dropped.entries:
            return
        self._metrics.dropped(tag, dropped.entries, dropped.unsettled)
        stream = self._keys.stream(tag, dropped.event_type)
        if stream not in self._losses and len(self._losses) >= MAX_STREAMS:
            self.flush(at_once=True)
            self._losses.clear()
        loss = self._losses.setdefault(stream, _Loss())
        loss.entries += dropped.entries
        loss.unsettled += dropped.unsettled
        self.flush()

    def flush(self, *, at_once: bool = False) -> None:
        """Say what was lost, of each stream a minute after the last time or at once."""
        now = _now()
        for stream, loss in self._losses.items():
            is_time = loss.said_at is None or now - loss.said_at >= QUIET_SECONDS
            if loss.entries and (is_time or at_once):
                _log.warning(
                    "entries_dropped",
                    stream=stream,
                    entries=loss.entries,
                    unsettled=loss.unsettled,
                )
                loss.entries = loss.unsettled = 0
                loss.said_at = now

    @staticmethod
    def _say_full(stream: str, bound: Literal["entries", "bytes"]) -> None:
        _log.warning("stream_full", stream=stream, bound=bound)


def _now() -> float:
    return asyncio.get_running_loop().time()
