"""Reads bodies: bytes of the wire within a limit and a budget, nothing else."""

from aiohttp import HttpVersion11, web

from relay.contract.errors import BodyTooLarge
from relay.receive.body import Share, join_small

# A request keeps its headers as bytes and as text. What usual ones take is part of what it costs
# to wait for a body.
HEAD_COPIES = 2
USUAL_HEAD_BYTES = 2048


def body_at_hand(request: web.BaseRequest, share: Share, limit_bytes: int) -> bytes | None:
    """Give the body if it came in the same packet as its head, as small ones do.

    Args:
        request: Its body not yet read.
        share: Counts the bytes.
        limit_bytes: How long the body may be.

    Raises:
        BodyTooLarge: It is longer.
    """
    content = request.content
    if not content.is_eof() or content.exception() is not None:
        return None
    body = content.read_nowait()
    share.grow(len(body))
    if len(body) > limit_bytes:
        raise BodyTooLarge
    return body


async def read_body(request: web.BaseRequest, share: Share, limit_bytes: int) -> bytes:
    """Read a body that comes bit by bit, and ask for it where its sender waits to be asked.

    Args:
        request: Its body not yet read.
        share: Counts the bytes, and may cut it.
        limit_bytes: How long the body may be.

    Raises:
        BodyTooLarge: It is longer.
        BodyIncomplete: The rest did not come.
        Overloaded: There is no room for it.
    """
    if (request.content_length or 0) > limit_bytes:
        raise BodyTooLarge
    chunks: list[bytes] = []
    try:
        async with share.unless_cut():
            share.grow(HEAD_COPIES * max(0, _head_bytes(request) - USUAL_HEAD_BYTES))
            if waits_to_go_on(request):
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                # What was written was no part of the answer.
                request.writer.output_size = 0
            await _gather(request, share, chunks, limit_bytes)
    except BaseException:
        # Its traceback keeps the frames until the collector comes by; the bytes shall go now.
        chunks.clear()
        raise
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def waits_to_go_on(request: web.BaseRequest) -> bool:
    """Say whether a sender waits to be told that it may send the body.

    Source: RFC 9110, section 10.1.1: one of an older version does not know the answer.
    """
    wanted = request.headers.get("expect", "").lower() == "100-continue"
    return wanted and request.version >= HttpVersion11


async def _gather(
    request: web.BaseRequest, share: Share, chunks: list[bytes], limit_bytes: int
) -> None:
    # Each chunk stands in the list only, so that nothing is left where that is cleared.
    size_bytes = 0
    while True:
        if request.transport is None:
            raise ConnectionResetError
        chunks.append(await request.content.readany())
        if not chunks[-1]:
            chunks.pop()
            return
        share.grow(len(chunks[-1]))
        size_bytes += len(chunks[-1])
        if size_bytes > limit_bytes:
            raise BodyTooLarge
        join_small(chunks)


def _head_bytes(request: web.BaseRequest) -> int:
    return sum(len(name) + len(value) for name, value in request.raw_headers)
