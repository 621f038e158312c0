"""One log line per refusal, but not one per request of a flood."""

import time
from collections import defaultdict
from collections.abc import Callable

import structlog

from relay.contract.errors import DeliveryRefused

LINES_PER_SECOND = 5

_log = structlog.get_logger("relay.receive")


class RefusalLog:
    """Logs refusals, at most five a second per endpoint and reason.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._noted: defaultdict[tuple[str, str], int] = defaultdict(int)

    def note(self, endpoint: str, refusal: DeliveryRefused) -> None:
        """Log a refusal, or count it if there were too many in this second."""
        second = int(self._clock())
        if second != self._second:
            self._say_suppressed()
            self._second = second
        key = (endpoint, refusal.reason)
        self._noted[key] += 1
        if self._noted[key] <= LINES_PER_SECOND:
            _log.warning(
                "delivery_refused",
                endpoint=endpoint or None,
                reason=refusal.reason,
                status=refusal.status,
            )

    def _say_suppressed(self) -> None:
        for (endpoint, reason), count in self._noted.items():
            if count > LINES_PER_SECOND:
                _log.warning(
                    "deliveries_refused",
                    endpoint=endpoint or None,
                    reason=reason,
                    more=count - LINES_PER_SECOND,
                )
        self._noted.clear()
