"""Listening sockets that are opened once for all processes."""

import asyncio
import errno
import socket

import pytest

from relay.processes import listening
from relay.processes.listening import listen
from tests.servers import free_port

LOOPBACKS = [
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
]


async def test_connections_wait_where_nobody_accepts_yet() -> None:
    """The kernel takes them, and whoever accepts later gets them."""
    (one,) = await listen("127.0.0.1", 0, "ingress")

    with one, socket.create_connection(one.getsockname(), timeout=5) as sender:
        sender.sendall(b"early")
        accepted, _ = one.accept()
        with accepted:
            assert accepted.recv(5) == b"early"


async def test_a_name_with_several_addresses_gets_one_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each address once, and a free port is the same for all of them."""

    async def found(*_: object, **__: object) -> object:
        return LOOPBACKS

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found, raising=False)

    opened = await listen("both", 0, "ingress")
    addresses = [one.getsockname() for one in opened]
    for one in opened:
        one.close()

    assert [host for host, _ in addresses] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in addresses}) == 1


async def test_an_address_that_is_given_up_soon_is_waited_for() -> None:
    """A gateway that is started while its predecessor ends gets its address."""
    port = free_port()
    before = socket.create_server(("127.0.0.1", port))
    waiting = asyncio.create_task(listen("127.0.0.1", port, "ingress"))
    while not waiting.done():
        await asyncio.sleep(0)
        before.close()

    for one in await waiting:
        assert one.getsockname()[1] == port
        one.close()


async def test_an_address_that_stays_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the address, and what kind it is."""
    monkeypatch.setattr(listening, "PATIENCE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}") as error:
            await listen("127.0.0.1", port, "ingress")

    assert error.value.errno == errno.EADDRINUSE


async def test_an_address_of_another_machine_is_refused_at_once() -> None:
    """There is nothing to wait for."""
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as error:
        await listen("192.0.2.1", 0, "ingress")

    assert error.value.errno == errno.EADDRNOTAVAIL
