"""Knows whether it is worth asking the store: open after a failed flush, until it answers again."""

import random

# How long is waited before the store is asked again.
PROBE_SECONDS = 0.4


class Breaker:
    """Open means that events go straight to the spool."""

    def __init__(self) -> None:
        self.is_open = False
        # How often the store has failed; whoever asks it sees whether it did meanwhile.
        self.trips = 0

    def open(self) -> None:
        """The store has failed."""
        self.is_open = True
        self.trips += 1

    def close(self) -> None:
        """The store has answered."""
        self.is_open = False

    @staticmethod
    def pause_seconds() -> float:
        """Say how long to wait until the next attempt: gateways shall not ask all at once."""
        return PROBE_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
