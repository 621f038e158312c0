"""What fetches brought, for as long as it is good.

Failures have room of their own: whoever makes many of them pushes no certificate out.
"""

from collections.abc import Callable

MAX_KEPT = 64
FAILED_SECONDS = 60.0


class Kept:
    """Certificates and failures by their URL; the oldest goes when there are too many.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._good: dict[str, tuple[float, bytes]] = {}
        self._failed: dict[str, float] = {}

    def find(self, url: str) -> bytes | None:
        """Give what is kept of a URL, if it is still good."""
        until, body = self._good.get(url, (0.0, b""))
        return body if self._clock() < until else None

    def was_good(self, url: str) -> bool:
        """Tell whether a URL has given a certificate: then no stranger has made it up."""
        return url in self._good

    def has_failed(self, url: str) -> bool:
        """Tell whether the last fetch of a URL failed a short while ago."""
        if self._clock() < self._failed.get(url, 0.0):
            return True
        self._failed.pop(url, None)
        return False

    def keep(self, url: str, body: bytes, seconds: float) -> None:
        """Keep what was fetched.

        Args:
            url: Where it came from.
            body: The certificate.
            seconds: For how long it is good.
        """
        self._good.pop(url, None)
        _make_room(self._good)
        self._good[url] = (self._clock() + seconds, body)

    def keep_failure(self, url: str) -> None:
        """Keep that nothing usable came."""
        self._failed.pop(url, None)
        _make_room(self._failed)
        self._failed[url] = self._clock() + FAILED_SECONDS


def _make_room(kept: dict[str, float] | dict[str, tuple[float, bytes]]) -> None:
    # Dictionaries keep the order in which keys came.
    if len(kept) >= MAX_KEPT:
        del kept[next(iter(kept))]
