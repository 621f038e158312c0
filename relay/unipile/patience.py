"""How often and how long Unipile is asked before a command gives up."""

import random
from dataclasses import dataclass

# Most answers come within a second; one that takes longer than this will hardly come.
REQUEST_SECONDS = 15.0
TOTAL_SECONDS = 60.0
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of one wish, all of its attempts together.

    Args:
        total_seconds: Until the last attempt has ended.
        request_seconds: For one attempt.
        attempts: How many are made at most.
        first_pause_seconds: Between the first two; it doubles from pause to pause.
    """

    total_seconds: float = TOTAL_SECONDS
    request_seconds: float = REQUEST_SECONDS
    attempts: int = ATTEMPTS
    first_pause_seconds: float = FIRST_PAUSE_SECONDS

    @classmethod
    def within(cls, total_seconds: float) -> "Patience":
        """Share a time out, so that one attempt that hangs leaves some of it for another."""
        share = total_seconds / TOTAL_SECONDS
        return cls(
            total_seconds=total_seconds,
            request_seconds=min(REQUEST_SECONDS, total_seconds / 2),
            first_pause_seconds=FIRST_PAUSE_SECONDS * min(1.0, share),
        )

    def pause_seconds(self, attempt: int, asked_for: float | None = None) -> float:
        """Say how long to wait after a failed attempt.

        Args:
            attempt: Which it was, from 1.
            asked_for: What ``Retry-After`` said, in seconds, if it said anything; it is heeded.
        """
        own: float = self.first_pause_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        return own if asked_for is None else max(own, asked_for)
