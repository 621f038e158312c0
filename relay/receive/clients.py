"""Says which client a request came from, behind proxies too.

The address bounds what one client may hold; it decides nothing else, and is never logged.

Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Anyone can write a longer header than any row of proxies does.
MAX_HOPS = 32


class Clients:
    """Knows which peers are proxies.

    Args:
        trusted_proxies: Networks whose ``X-Forwarded-For`` is believed; none means that the peer
            of the connection is the client.
    """

    def __init__(self, trusted_proxies: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted_proxies)
        # Proxies are few, and clients come again.
        self._is_trusted = lru_cache(4096)(self._look_up)

    def address_of(self, request: web.BaseRequest) -> str:
        """Give the client's address: the nearest hop that is no trusted proxy."""
        peer = request.remote or ""
        if not self._trusted or not self._is_trusted(peer):
            return peer
        headers = request.headers.getall("x-forwarded-for", ())
        hops = ",".join(headers).split(",")[-MAX_HOPS:]
        nearest = peer
        for hop in reversed(hops):
            address = hop.strip()
            if not _is_address(address):
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return nearest

    def _look_up(self, address: str) -> bool:
        if not _is_address(address):
            return False
        found = ipaddress.ip_address(address)
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
