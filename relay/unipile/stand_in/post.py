"""Posts one attempt of a delivery, and says what came of it.

Bytes and headers go out; a status and the beginning of the answer, or nothing, come back. It
never tries again.
"""

from dataclasses import dataclass

import aiohttp

from relay.unipile.stand_in.rules import MOST_RESPONSE_CHARACTERS

AGENT = "unipile-stand-in"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered.

    Args:
        status: None where it did not, or not in time.
        body: The beginning of it.
    """

    status: int | None = None
    body: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the event counts as delivered."""
        return self.status is not None and 200 <= self.status <= 299


class Poster:
    """Connections for deliveries; each has one of its own.

    Args:
        timeout_seconds: How long one attempt may take, with its connection.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Post a body.

        Args:
            url: Where.
            body: The bytes.
            headers: What is said besides the content type.
        """
        # Assumption: a delivery says that it is JSON
        said = {"content-type": "application/json", "user-agent": AGENT, **headers}
        try:
            # Assumption: a redirect is a failed attempt
            async with self._open().post(
                url, data=body, headers=said, allow_redirects=False, timeout=self._timeout
            ) as answer:
                return Answer(answer.status, await _beginning(answer))
        except (aiohttp.ClientError, OSError, ValueError):  # a time-out is an OSError
            return Answer()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A kept connection may be closed by the receiver just as it is used again, which would
            # count as an attempt.
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar)
        return self._session


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    read = b""
    try:
        # One character has up to four bytes.
        while len(read) < 4 * MOST_RESPONSE_CHARACTERS:
            piece = await answer.content.read(4 * MOST_RESPONSE_CHARACTERS - len(read))
            if not piece:
                break
            read += piece
    except (aiohttp.ClientError, OSError):
        # Assumption: a status counts though its body breaks off
        pass
    return read.decode("utf-8", "replace")[:MOST_RESPONSE_CHARACTERS]
