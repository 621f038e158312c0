"""A server of the test's own behind the names of the senders' hosts."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from relay.certificates.get import open_session
from tests.certificates import Authority

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Host:
    """What answers behind every name, over TLS.

    Args:
        answer: Writes the answer to one request, whose head was read.
        port: On loopback.
        trusted: What believes the server's certificate.
        connections: How many came.
        looked_up: The names that were looked up.
        heads: Of the requests.
    """

    answer: Answer
    port: int
    trusted: ssl.SSLContext
    connections: int = 0
    looked_up: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    def session(self) -> ClientSession:
        """Open a session as the gateway does, whose names all lead here."""
        connector = TCPConnector(resolver=_Here(self), ssl=self.trusted, use_dns_cache=False)
        return open_session(connector)

    def says(self, head: bytes, body: bytes = b"") -> None:
        """Answer the next requests so.

        Args:
            head: From the status to the last header, without the line ends after it.
            body: After it; its length is added.
        """
        self.answer = partial(_say, head, body)


class _Here(AbstractResolver):
    def __init__(self, host: Host) -> None:
        self._host = host

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self._host.looked_up.append(host)
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self._host.port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _say(
    head: bytes, body: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    writer.write(b"HTTP/1.1 " + head + b"\r\n" + length + body)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the sessions of these tests trust."""
    return Authority(tmp_path_factory.mktemp("authority"), "tests")


@pytest.fixture(scope="session")
def server_files(authority: Authority) -> tuple[Path, Path]:
    """The server's certificate, which is good for the senders' hosts, and its key."""
    hosts = (
        "sns.us-east-1.amazonaws.com",
        "sns.eu-central-1.amazonaws.com",
        "api.paypal.com",
        "api.sandbox.paypal.com",
    )
    made = authority.sign("senders", *(f"DNS:{host}" for host in hosts))
    return made.certificate, made.key


@pytest.fixture
async def host(authority: Authority, server_files: tuple[Path, Path]) -> AsyncIterator[Host]:
    """A server that answers 404 until it is told otherwise."""
    trusted = ssl.create_default_context(cafile=str(authority.certificate))
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(*server_files)
    made = Host(partial(_say, b"404 Not Found", b""), 0, trusted)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            made.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await made.answer(reader, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=own)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
