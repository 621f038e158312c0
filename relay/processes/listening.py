"""Opens listening sockets that several processes can accept on.

A host and a port come in, sockets that listen go out: from then on the kernel takes connections,
whichever process accepts them later. An address that is just being given up is waited for.
"""

import asyncio
import errno
import os
import socket

import structlog

from relay.app import BACKLOG

# As long as the last children of a gateway that was killed may take to notice.
PATIENCE_SECONDS = 3.0
POLL_SECONDS = 0.05

Address = tuple[str, int]

_log = structlog.get_logger("relay.processes")


async def listen(host: str, port: int, role: str) -> list[socket.socket]:
    """Open a socket for each address that the host name stands for.

    Args:
        host: Address or name of this machine.
        port: 0 takes a free one, the same for all addresses.
        role: What is listened for, said in the log.

    Raises:
        OSError: An address is in use or not ours; none of the sockets stays open.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    waits = False
    while True:
        try:
            opened = await _open_all(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() > deadline:
                raise
            if not waits:
                _log.info("address_in_use", role=role, host=host, port=port)
            waits = True
            await asyncio.sleep(POLL_SECONDS)
        else:
            break
    for one in opened:
        address = one.getsockname()
        _log.info("listening", role=role, host=address[0], port=address[1])
    return opened


async def _open_all(host: str, port: int) -> list[socket.socket]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    opened: list[socket.socket] = []
    try:
        # A name may be listed twice for one address.
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            if opened:
                port = opened[0].getsockname()[1]
            opened.append(_open(family, (address[0], port, *address[2:])))
    except BaseException:
        for one in opened:
            one.close()
        raise
    return opened


def _open(family: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Else it would stand in the way of the same port for the older kind.
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(BACKLOG)
        one.settimeout(0)
    except OSError as error:
        one.close()
        said = os.strerror(error.errno or 0)
        raise OSError(error.errno, f"cannot listen on {address[0]}:{address[1]}: {said}") from None
    except BaseException:
        one.close()
        raise
    return one
