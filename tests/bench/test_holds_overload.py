"""The benchmark of too much load slows its store at the times that it means to."""

import time
from typing import Any

from bench.holds.overload import _changing


class Proxy:
    """Hears how long replies are to be held back."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def tell(self, what: object) -> None:
        """Note it."""
        self.told.append(what)


def test_every_change_is_made_however_short_the_load_was() -> None:
    """Whoever judges the recovery needs the moment of each."""
    proxy: Any = Proxy()
    started = time.monotonic()
    changes = [(0.0, 0.0), (0.05, 0.4)]
    with _changing(proxy, started, changes) as changed:
        pass

    assert proxy.told == [0.0, 0.4]
    assert started <= changed[0] <= changed[1]
    assert changed[1] - started >= 0.05
