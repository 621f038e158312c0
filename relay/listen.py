"""Binds sockets that listen, and says where.

A host and a port come in, sockets go out, and a log line for each. It never accepts a connection.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import structlog

# Connections that may wait to be accepted, as far as the system lets them.
BACKLOG = 1024

_log = structlog.get_logger("relay.listen")


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Have listening sockets within the block, one for each address that a host name has.

    Args:
        host: An address or a name.
        port: 0 takes a free one, the same for all addresses.

    Raises:
        OSError: The name is not known, or an address is not free.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        for family, address in dict.fromkeys((info[0], info[4]) for info in found):
            made = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = sockets[0].getsockname()[1] if sockets else port
            try:
                made.bind((address[0], taken, *address[2:]))
            except OSError as error:
                raise OSError(error.errno, f"{address[0]} port {taken}: {error.strerror}") from None
            made.listen(BACKLOG)
            sockets.append(made)
        yield sockets


def say_where(sockets: Sequence[socket.socket], role: str) -> None:
    """Log the address of each, with the port that it really has.

    Args:
        sockets: They listen.
        role: What they are for.
    """
    for one in sockets:
        address = one.getsockname()
        _log.info("listening", role=role, host=address[0], port=address[1])
