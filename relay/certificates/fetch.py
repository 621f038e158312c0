"""An address in, the certificate there out: kept, one fetch at a time for each, and few at all.

A delivery that proves nothing yet makes us fetch, so whatever it costs is bounded: in time, in
bytes, and in fetches per minute. What fails is not asked for again at once.
"""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import ClientSession

from relay.certificates.address import Address
from relay.certificates.get import TOTAL_SECONDS, NotGot, get, open_session
from relay.certificates.kept import Kept
from relay.certificates.lifetime import seconds_left
from relay.certificates.pace import Pace
from relay.contract.errors import CertificateUnavailable

FETCHES_PER_MINUTE = 10

_log = structlog.get_logger("relay.certificates")


class Fetcher:
    """Fetches certificates, for all endpoints of a process.

    It makes its session with the first fetch; `stop` closes it, may be called twice, and may come
    first.

    Args:
        open_session: Makes the session; a test gives one that leads to a server of its own.
        seconds: How long one fetch may take.
        clock: Monotonic seconds.
        now: Unix seconds, for the ends of certificates.
    """

    def __init__(
        self,
        *,
        open_session: Callable[[], ClientSession] = open_session,
        seconds: float = TOTAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._open_session = open_session
        self._seconds = seconds
        self._now = now
        self._kept = Kept(clock)
        # Apart, so that strangers who make us fetch keep no subscription from being confirmed.
        self._fetches = Pace(FETCHES_PER_MINUTE, clock)
        self._confirmations = Pace(FETCHES_PER_MINUTE, clock)
        self._flights: dict[str, asyncio.Task[bytes | None]] = {}
        self._session: ClientSession | None = None
        self._stopped = False

    async def fetch(self, address: Address) -> bytes:
        """Give the certificate at an address, fetched at most once a day.

        Who asks while it is fetched waits for the same fetch. One who leaves does not end it.

        Returns:
            PEM; it parses and its end is not reached. Nothing else of it is checked.

        Raises:
            CertificateUnavailable: It could not be fetched, now or a short while ago, or too much
                was fetched in this minute.
        """
        kept = self._kept.find(address.url)
        if kept is not None:
            return kept
        flight = self._flights.get(address.url) or self._begin(address)
        # Not awaited by itself: who is cancelled here would cancel it for the others.
        await asyncio.wait((flight,))
        body = None if flight.cancelled() else flight.result()
        if body is None:
            raise CertificateUnavailable
        return body

    async def get_once(self, address: Address) -> None:
        """GET an address for what it does, keeping nothing of it.

        Raises:
            CertificateUnavailable: It did not answer 200 in time, or too many were asked for in
                this minute.
        """
        if self._stopped or not self._confirmations.take():
            raise CertificateUnavailable
        got = await self._get(address)
        if isinstance(got, NotGot):
            raise CertificateUnavailable

    async def stop(self) -> None:
        """End what is being fetched and close the session; who waits is told to try later."""
        self._stopped = True
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _begin(self, address: Address) -> asyncio.Task[bytes | None]:
        if self._stopped or self._kept.has_failed(address.url) or not self._has_room(address):
            raise CertificateUnavailable
        flight = asyncio.create_task(self._fetch(address), name="certificate")
        self._flights[address.url] = flight
        flight.add_done_callback(lambda _: self._flights.pop(address.url, None))
        return flight

    def _has_room(self, address: Address) -> bool:
        # Strangers who make URLs up do not keep a certificate in use from being fetched anew.
        return self._kept.was_good(address.url) or self._fetches.take()

    async def _fetch(self, address: Address) -> bytes | None:
        body = await self._get(address)
        if isinstance(body, NotGot):
            self._kept.keep_failure(address.url)
            return None
        seconds = seconds_left(body, self._now())
        if seconds is None:
            self._say(address, "no_certificate")
            self._kept.keep_failure(address.url)
            return None
        self._kept.keep(address.url, body, seconds)
        return body

    async def _get(self, address: Address) -> bytes | NotGot:
        if self._session is None:
            self._session = self._open_session()
        got = await get(self._session, address, seconds=self._seconds)
        if isinstance(got, NotGot):
            self._say(address, got.because)
        return got

    def _say(self, address: Address, because: str) -> None:
        # The host only: the rest of a subscription's URL is a token.
        _log.warning("certificate_not_fetched", host=urlsplit(address.url).hostname, error=because)
