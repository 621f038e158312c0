"""One GET of an address within bounds: its bytes out, or the word for what was wrong.

It follows nothing, keeps nothing, and unpacks nothing.
"""

from dataclasses import dataclass

from aiohttp import BaseConnector, ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from relay.certificates.address import Address

# Senders wait some seconds for an answer: SNS fifteen, others five.
TOTAL_SECONDS = 3.0
# A chain of four certificates has about 8 KiB.
MAX_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class NotGot:
    """Nothing usable came.

    Args:
        because: A word for logs: ``status_404``, ``too_long``, ``packed``, or the name of the
            client's error.
    """

    because: str


def open_session(connector: BaseConnector | None = None) -> ClientSession:
    """Open a session as fetches need it: no cookies, nothing unpacked, by the system's proxy.

    Many gateways reach the internet by a proxy only, so ``HTTPS_PROXY`` is heeded.

    Args:
        connector: Makes its connections; by default to where names lead, trusting whom the system
            trusts.
    """
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=True,
        headers={"User-Agent": "webhook-relay", "Accept-Encoding": "identity"},
    )


async def get(session: ClientSession, address: Address, *, seconds: float) -> bytes | NotGot:
    """Fetch an address, once.

    Args:
        session: As `open_session` makes it.
        address: What may be fetched.
        seconds: How long all of it may take, looking its name up included.

    Returns:
        The body, at most ``MAX_BYTES``; or why there is none. Any answer but 200 is none: a
        redirect leads where nothing was checked.
    """
    timeout = ClientTimeout(total=seconds)
    # Encoded: it goes out to the letter as it was judged.
    url = URL(address.url, encoded=True)
    try:
        async with session.get(url, allow_redirects=False, timeout=timeout) as response:
            if response.status != 200:
                return NotGot(f"status_{response.status}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                return NotGot("packed")
            body = bytearray()
            while chunk := await response.content.readany():
                body += chunk
                if len(body) > MAX_BYTES:
                    return NotGot("too_long")
            return bytes(body)
    except (ClientError, TimeoutError, OSError) as error:
        return NotGot(type(error).__name__)
