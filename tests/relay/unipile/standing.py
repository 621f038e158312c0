"""A stand-in Unipile beside a test that runs commands: those have an event loop of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from relay.unipile.stand_in import StandIn


@contextmanager
def standing(**options: Any) -> Iterator[StandIn]:
    """Have a stand-in for the time of a block, in a thread.

    What steers it without being awaited may be called from the test.

    Args:
        options: Those of `StandIn`.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-in")
    thread.start()

    async def make() -> StandIn:
        made = StandIn(**options)
        await made.start()
        return made

    try:
        made = asyncio.run_coroutine_threadsafe(make(), loop).result(10)
        try:
            yield made
        finally:
            asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
