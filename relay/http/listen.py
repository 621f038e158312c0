"""Binds sockets that listen, and says where.

A host and a port come in, sockets go out, and a log line for each. It never accepts a connection.
"""

import errno
import resource
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import structlog

# Connections that may wait to be accepted, as far as the system lets them.
BACKLOG = 1024
# A name may have an address of a family that is switched off here.
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

_log = structlog.get_logger("relay.listen")


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Have listening sockets within the block, one for each address that a host name has.

    Args:
        host: An address or a name.
        port: 0 takes a free one, the same for all addresses.

    Raises:
        OSError: The name is not known, an address is not free, or this machine has none of them.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        absent: OSError | None = None
        for family, address in dict.fromkeys((info[0], info[4]) for info in found):
            taken = sockets[0].getsockname()[1] if sockets else port
            try:
                made = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                _bind(made, family, (address[0], taken, *address[2:]))
            except OSError as error:
                told = OSError(error.errno, f"{address[0]} port {taken}: {error.strerror}")
                if error.errno not in _ABSENT:
                    raise told from None
                absent = told
            else:
                sockets.append(made)
        if absent and not sockets:
            raise absent
        yield sockets


def open_files() -> int:
    """Let this process have as many open files as the system lets it, and say how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems say more than they grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _bind(made: socket.socket, family: int, address: tuple[Any, ...]) -> None:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind(address)
    made.listen(BACKLOG)


def say_where(sockets: Sequence[socket.socket], role: str) -> None:
    """Log the address of each, with the port that it really has.

    Args:
        sockets: They listen.
        role: What they are for.
    """
    for one in sockets:
        address = one.getsockname()
        _log.info("listening", role=role, host=address[0], port=address[1])
