"""How a body comes: in chunks, after a question, very long, packed, or none."""

import asyncio
import gzip
import zlib
from functools import lru_cache

from relay.conformance.answer import unreached
from relay.conformance.check import Check
from relay.conformance.event import PREFIX, Event, compact
from relay.conformance.probe import Probe
from relay.conformance.wire import connected

CONTINUE_SECONDS = 1.0
BOMB_BYTES = 64 * 1024 * 1024
CHUNKED = ("transfer-encoding", "chunked")


def chunks(body: bytes, size: int) -> bytes:
    """Write a body in chunks of a size."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


async def _chunked(probe: Probe) -> None:
    for size in (1, 50, 100_000):
        event = probe.event()
        request = probe.open(event, [CHUNKED]) + chunks(event.body, size)
        probe.must_accept(f"a body in chunks of {size} bytes", await probe.ask(request), event)
    event = probe.event()
    written = chunks(event.body, 64).replace(b"40\r\n", b"40;a=b\r\n", 1)
    request = probe.open(event, [CHUNKED]) + written
    probe.must_accept("a chunk with an extension", await probe.ask(request), event)


async def _expect(probe: Probe) -> None:
    event = probe.event()
    length = ("content-length", str(len(event.body)))
    opening = probe.open(event, [length, ("expect", "100-continue")])
    try:
        async with connected(probe.target.address) as wire:
            await wire.send(opening)
            # Who gets no word goes on all the same: RFC 9110, section 10.1.1.
            await wire.goes_on(CONTINUE_SECONDS)
            answer = await wire.exchange(event.body, seconds=probe.target.deadline_seconds)
    except OSError as error:
        answer = unreached(error)
    probe.must_accept("a delivery with Expect: 100-continue", answer, event)


async def _large(probe: Probe) -> None:
    event = _padded(probe.event(), probe.target.max_body_bytes)
    sent = f"a body of {len(event.body)} bytes, the longest that is taken"
    probe.must_accept(sent, await probe.deliver(event), event)


async def _huge(probe: Probe) -> None:
    size = probe.target.max_body_bytes + 1
    event = _padded(probe.event(), size)
    sent = f"a body of {size} bytes, one more than is taken"
    probe.must_refuse(sent, await probe.deliver(event), event, or_close=True)
    event = _padded(probe.event(), size + 64 * 1024)
    request = probe.open(event, [CHUNKED]) + chunks(event.body, 64 * 1024)
    probe.must_refuse(f"{sent}, in chunks", await probe.ask(request), event, or_close=True)


def _padded(event: Event, size: int) -> Event:
    bare = event.changed(padding="")
    return event.changed(padding="x" * (size - len(bare.body)))


async def _packed(probe: Probe) -> None:
    for name, packed in (
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
    ):
        event = probe.event()
        wire = event.with_body(packed(event.body))
        answer = await probe.deliver(wire, [("content-encoding", name)])
        probe.must_accept(f"a body packed by {name}, signed as it is on the wire", answer)


async def _signed_before_packing(probe: Probe) -> None:
    event = probe.event()
    wire = event.with_body(gzip.compress(event.body))
    signature = probe.target.signer.sign(event.body)
    headers = [("content-encoding", "gzip")]
    answer = await probe.deliver(wire, headers, signature=signature)
    probe.must_refuse("a packed body with the signature of what is in it", answer, event)


async def _bomb(probe: Probe) -> None:
    packed = await asyncio.to_thread(_packed_bomb)
    wire = probe.event().with_body(packed)
    headers = [("content-encoding", "gzip")]
    sent = f"{len(packed)} bytes that unpack to {BOMB_BYTES}"
    probe.must_cope(f"{sent}, signed", await probe.deliver(wire, headers))
    answer = await probe.deliver(wire, headers, signature=probe.target.signer.sign(b"another"))
    probe.must_refuse(f"{sent}, not signed", answer)


@lru_cache
def _packed_bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    filler = b"x" * (1024 * 1024)
    opening = compact({"id": f"{PREFIX}bomb", "padding": ""}).removesuffix(b'"}')
    parts = [packer.compress(opening)]
    parts += [packer.compress(filler) for _ in range(BOMB_BYTES // len(filler))]
    return b"".join([*parts, packer.compress(b'"}'), packer.flush()])


async def _empty(probe: Probe) -> None:
    event = probe.event().with_body(b"")
    probe.must_cope("an empty body, signed", await probe.deliver(event))
    answer = await probe.ask(probe.open(event, signature=probe.target.signer.sign(b"")))
    probe.must_cope("no body and no length, signed", answer)


async def _media_types(probe: Probe) -> None:
    for media_type in (
        "application/json; charset=utf-8",
        "application/JSON;charset=UTF-8",
        "application/vnd.unipile+json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ):
        event = probe.event()
        answer = await probe.deliver(event, [("content-type", media_type)])
        probe.must_accept(f"a good delivery with content-type {media_type}", answer, event)


CHECKS = (
    Check(
        "chunked-body",
        "A body that comes in chunks is accepted.",
        "Senders and proxies stream bodies whose length they do not know.",
        _chunked,
    ),
    Check(
        "expect-continue",
        "A sender that asks whether it may send its body is let go on.",
        "HTTP clients do so for longer bodies, and wait.",
        _expect,
    ),
    Check(
        "large-body",
        "The longest body that is taken is accepted.",
        "A limit that lies lower than it says loses the longest events.",
        _large,
        is_alone=True,
    ),
    Check(
        "huge-body",
        "A longer body is refused with 4xx, whether its length was said or not.",
        "Whoever knows the URL could fill the memory.",
        _huge,
        is_alone=True,
    ),
    Check(
        "packed-body",
        "A packed body is verified as it is on the wire.",
        "The signature is of the bytes that were sent; unpacking first verifies others.",
        _packed,
    ),
    Check(
        "signed-before-packing",
        "A packed body under the signature of what is in it is refused.",
        "Who unpacks before verifying unpacks what anybody sends.",
        _signed_before_packing,
    ),
    Check(
        "packed-bomb",
        "A body that unpacks to a thousand times its length is answered 2xx or 4xx, unsigned 4xx.",
        "A few kilobytes must not take the memory of many.",
        _bomb,
    ),
    Check(
        "empty-body",
        "No body at all is answered 2xx or 4xx.",
        "A 5xx says that it was not foreseen, and has the sender try again.",
        _empty,
    ),
    Check(
        "media-types",
        "The content type of a signed delivery is no reason to refuse it.",
        "Senders change it without a word, and a 4xx loses the event.",
        _media_types,
    ),
)
