"""A proxy before the store that holds each reply back for a while.

Connections come in on a free loopback port, the same bytes go out to the store at once, and its
replies come back later and in their order. It never changes, drops or repeats a byte.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from bench.holds.jobs import Channel
from bench.holds.sender.jobs import run

_READ_BYTES = 65_536


class DelayProxy:
    """The proxy.

    Args:
        port: The store's.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._pumps: set[asyncio.Task[None]] = set()
        # What is held back already comes when it is due, whatever this says later.
        self.delay_seconds = 0.0
        # How many connections have a reply that is not due yet.
        self.held_back = 0

    async def listen(self) -> tuple[asyncio.Server, int]:
        """Begin, and give the server and its port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return server, int(server.sockets[0].getsockname()[1])

    async def end(self) -> None:
        """Close every connection."""
        for pump in list(self._pumps):
            pump.cancel()
        if self._pumps:
            await asyncio.wait(set(self._pumps))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        try:
            with suppress(OSError):
                upstream, server = await asyncio.open_connection("127.0.0.1", self._port)
                replies: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
                try:
                    await _first_of(
                        _forward(reader, server),
                        self._read_replies(upstream, replies),
                        self._write_when_due(replies, writer),
                    )
                finally:
                    server.close()
        finally:
            writer.close()
            self._pumps.discard(task)

    async def _read_replies(
        self, upstream: asyncio.StreamReader, replies: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            reply = await upstream.read(_READ_BYTES)
            # The empty one at the end waits for its turn too.
            replies.put_nowait((loop.time() + self.delay_seconds, reply))
            if not reply:
                await asyncio.Event().wait()  # the writer ends it all

    async def _write_when_due(
        self, replies: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, reply = await replies.get()
            self.held_back += 1
            try:
                await asyncio.sleep(max(0.0, due - loop.time()))
            finally:
                self.held_back -= 1
            if not reply:
                return
            writer.write(reply)
            await writer.drain()


async def _forward(reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
    while sent := await reader.read(_READ_BYTES):
        server.write(sent)
        await server.drain()


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one has ended, then end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def delay_replies(channel: Channel, port: int) -> None:
    """Run the proxy before a store until the process is ended.

    Args:
        channel: Says the proxy's port; hears how many seconds replies are held back from now on.
        port: The store's.
    """
    run(_delay_replies(channel, port))


async def _delay_replies(channel: Channel, port: int) -> None:
    proxy = DelayProxy(port)
    server, own_port = await proxy.listen()

    loop = asyncio.get_running_loop()

    def hear() -> None:
        try:
            proxy.delay_seconds = float(channel.hear())
        except EOFError:  # the benchmark is over
            loop.remove_reader(channel.fileno())

    loop.add_reader(channel.fileno(), hear)
    channel.say(own_port)
    async with server:
        await server.serve_forever()
