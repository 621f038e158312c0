"""Where a receiver is: a URL taken apart for requests that are written byte by byte."""

import ipaddress
import ssl
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """One URL of a receiver.

    Args:
        host: Name or address.
        port: Where it listens.
        path: With the query, as it stands in the request line.
        authority: As it stands in the ``host`` header.
        tls: How the connection is secured; none for plain HTTP.
    """

    host: str
    port: int
    path: str
    authority: str
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str, *, insecure: bool = False) -> Self:
        """Take a URL apart.

        Args:
            url: ``http://`` or ``https://``, with the path that deliveries are sent to.
            insecure: Take any certificate, for a receiver that has made its own.

        Raises:
            ValueError: It is no such URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # What it says may hold a password.
            raise ValueError("its host and port cannot be read") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write http://… or https://…, with the path deliveries are sent to")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError("the path has characters that a request line cannot have")
        is_tls = parts.scheme == "https"
        return cls(
            host=parts.hostname,
            port=port or (443 if is_tls else 80),
            path=path,
            authority=parts.netloc.rpartition("@")[2],
            tls=_context(insecure=insecure) if is_tls else None,
        )

    @property
    def is_here(self) -> bool:
        """Whether it is on this very machine, as far as its name says."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            # A name may begin with 127. and lead anywhere.
            return self.host == "localhost"

    def beside(self, name: str) -> Self:
        """Give the address with another last part of its path."""
        above = self.path.partition("?")[0].rpartition("/")[0]
        return replace(self, path=f"{above}/{name}")


def _context(*, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
