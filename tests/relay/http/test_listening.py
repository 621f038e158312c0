"""The parent's listening sockets, opened once for all processes."""

import asyncio
import errno
import socket

import pytest

from relay.http import listening as module
from relay.http.listening import listening
from tests.servers import free_port


async def test_connections_wait_where_nobody_accepts_yet() -> None:
    """The kernel takes them, and whoever accepts later gets them."""
    async with listening("127.0.0.1", 0, "ingress") as (one,):
        with socket.create_connection(one.getsockname(), timeout=5) as sender:
            sender.sendall(b"early")
            accepted, _ = one.accept()
            with accepted:
                assert accepted.recv(5) == b"early"


async def test_an_address_that_is_given_up_soon_is_waited_for() -> None:
    """A gateway that is started while its predecessor ends gets its address."""
    port = free_port()

    async def address() -> int:
        async with listening("127.0.0.1", port, "ingress") as (one,):
            return int(one.getsockname()[1])

    with socket.create_server(("127.0.0.1", port)):
        waiting = asyncio.create_task(address())
        await asyncio.sleep(0)  # it has tried once

    assert await waiting == port


async def test_an_address_that_stays_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the port, and what kind it is."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        with pytest.raises(OSError, match=str(port)) as error:
            async with listening("127.0.0.1", port, "ingress"):
                pass

    assert error.value.errno == errno.EADDRINUSE


async def test_an_address_of_another_machine_is_refused_at_once() -> None:
    """There is nothing to wait for."""
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as error:
        async with listening("192.0.2.1", 0, "ingress"):
            pass

    assert error.value.errno == errno.EADDRNOTAVAIL
