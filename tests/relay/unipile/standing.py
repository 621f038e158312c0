"""Servers beside a test that runs commands: those have an event loop of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

from relay.unipile.stand_in import StandIn


@contextmanager
def standing(**options: Any) -> Iterator[StandIn]:
    """Have a stand-in for the time of a block, in a thread.

    What steers it without being awaited may be called from the test.

    Args:
        options: Those of `StandIn`.
    """
    with aside(lambda: StandIn(**options)) as running:
        yield running


@contextmanager
def aside(make: Any) -> Iterator[Any]:
    """Have a server for the time of a block, in a thread with a loop of its own.

    Args:
        make: Called there; gives an asynchronous context manager.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()

    async def enter() -> tuple[AbstractAsyncContextManager[Any], Any]:
        server: AbstractAsyncContextManager[Any] = make()
        return server, await server.__aenter__()

    async def leave(server: AbstractAsyncContextManager[Any]) -> None:
        await server.__aexit__(None, None, None)

    try:
        server, running = asyncio.run_coroutine_threadsafe(enter(), loop).result(10)
        try:
            yield running
        finally:
            asyncio.run_coroutine_threadsafe(leave(server), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
