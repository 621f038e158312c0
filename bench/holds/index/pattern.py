"""When events come: a rate over time, cut into batches.

Seconds of a run come in, how many events are due goes out. Pure.
"""

from dataclasses import dataclass

BATCH_EVENTS = 32
_BATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rate, and at most one burst.

    Args:
        rate: Events per second.
        burst_at: Second of the run at which the burst begins; none if it never does.
        burst_seconds: How long it lasts.
        burst_times: How many times the rate it has.
    """

    rate: float
    burst_at: float | None = None
    burst_seconds: float = 0.0
    burst_times: float = 1.0

    def due(self, seconds: float) -> int:
        """Say how many events are due until a second of the run."""
        extra = 0.0
        if self.burst_at is not None:
            within = min(max(seconds - self.burst_at, 0.0), self.burst_seconds)
            extra = within * self.rate * (self.burst_times - 1)
        return int(seconds * self.rate + extra)

    def batch(self, seconds: float, sent: int) -> int:
        """Say how many events to send in one call now.

        Args:
            seconds: Of the run.
            sent: How many were sent until now.

        Returns:
            A whole batch, or fewer where the rate is too low to fill one soon, or 0.
        """
        waiting = self.due(seconds) - sent
        soon = int(self.rate * _BATCH_SECONDS)
        least = min(max(soon, 1), BATCH_EVENTS)
        return min(waiting, BATCH_EVENTS) if waiting >= least else 0
