"""The admin listener."""

import asyncio

from relay.http.admin import serving_admin
from relay.http.listen import bound


async def test_half_a_request_does_not_hold_up_the_end() -> None:
    """Whoever stops in the middle of a request is not waited for as long as aiohttp would."""

    async def is_ready() -> bool:
        return True

    async def text() -> bytes:
        return b""

    async with asyncio.timeout(5):
        with bound("127.0.0.1", 0) as sockets:
            port = sockets[0].getsockname()[1]
            async with serving_admin(sockets, is_ready, text):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1")
                answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()

    assert answer.startswith(b"HTTP/1.1 405")
