"""Opens the parent's listening sockets, and waits for an address that is just being given up.

A host and a port come in, sockets that listen go out: from then on the kernel takes connections,
whichever process accepts them later.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import structlog

from relay.http.listen import bound, say_where

# As long as the last children of a gateway that was killed may take to notice.
PATIENCE_SECONDS = 3.0
POLL_SECONDS = 0.05

_log = structlog.get_logger("relay.processes")


@asynccontextmanager
async def listening(host: str, port: int, role: str) -> AsyncIterator[list[socket.socket]]:
    """Have listening sockets within the block, one for each address that a host name has.

    Args:
        host: An address or a name.
        port: 0 takes a free one, the same for all addresses.
        role: What they are for, said in the log.

    Raises:
        OSError: The name is not known, or an address is not free.
    """
    with ExitStack() as stack:
        sockets = await _patiently(stack, host, port, role)
        say_where(sockets, role)
        yield sockets


async def _patiently(stack: ExitStack, host: str, port: int, role: str) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    deadline, said = loop.time() + PATIENCE_SECONDS, False
    while True:
        try:
            return stack.enter_context(bound(host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() > deadline:
                raise
        if not said:
            _log.info("address_in_use", role=role, host=host, port=port)
            said = True
        await asyncio.sleep(POLL_SECONDS)
