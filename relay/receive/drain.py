"""Lets connections run out without cutting a sender off.

Connections that take no new ones come in; what is in flight is finished, and who says nothing is
told by the end of the connection. None is closed on which a delivery is under way before the time
given for that is over.
"""

import asyncio

from relay.receive.connections import Connections

# A sender that keeps its connection learns by the next answer that it must make another; one
# that sends nothing for this long is told by the end of the connection.
DRAIN_IDLE_SECONDS = 2.0
# For those that are cut in the end, to hear of it; aiohttp takes 0 for ever.
CUT_SECONDS = 0.5
POLL_SECONDS = 0.02


async def run_out(connections: Connections, idle_seconds: float, within_seconds: float) -> None:
    """Return when all connections have ended, or time is up.

    aiohttp's own shutdown does not do: it closes kept connections at once, and no longer reads
    the bodies that are arriving.

    Args:
        connections: They accept no more, and every answer on them says that it is the last.
        idle_seconds: How long connections without a delivery are kept.
        within_seconds: How long deliveries in flight may go on.
    """
    now = asyncio.get_running_loop().time()
    await _until_gone(connections, now + min(idle_seconds, within_seconds))
    connections.close_quiet()
    await _until_gone(connections, now + within_seconds)


async def _until_gone(connections: Connections, deadline: float) -> None:
    loop = asyncio.get_running_loop()
    while not connections.are_gone and loop.time() < deadline:  # noqa: ASYNC110 - nobody says it
        await asyncio.sleep(POLL_SECONDS)
