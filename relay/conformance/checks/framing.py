"""Requests that two readers would take for different ones, and heads that are none.

Source: RFC 9112, sections 6.3 and 11.2.
"""

from collections.abc import Sequence

from relay.conformance.answer import Answer
from relay.conformance.check import Check
from relay.conformance.checks.bodies import CHUNKED, chunks
from relay.conformance.checks.connections import answers_to
from relay.conformance.event import Event
from relay.conformance.probe import Probe
from relay.conformance.wire import Header, head

MANY_HEADERS = 5000
LONG_LINE = 200_000


async def _smuggled(probe: Probe) -> None:
    for encoding in ("chunked", "xchunked"):
        hidden, outer = probe.events(2)
        body = b"0\r\n\r\n" + probe.request(hidden)
        framing = [("content-length", str(len(body))), ("transfer-encoding", encoding)]
        # Read by its length this is one request; read by its chunks it is empty, and a second
        # follows.
        request = probe.open(outer, framing, probe.target.signer.sign(b"")) + body
        answers = await answers_to(probe, request, 2)
        sent = f"a request with a length and the transfer encoding {encoding}"
        if any(answer.accepted for answer in answers[1:]):
            probe.wrong(sent, "what was hidden in its body was accepted", "one request or none")
        elif answers[0].accepted:
            probe.wrong(sent, answers[0], "4xx, or the end of the connection")
        else:
            probe.must_refuse(sent, answers[0], hidden, or_close=True)


async def _two_lengths(probe: Probe) -> None:
    for lengths in (("0", "{}"), ("{}", "0"), ("{}", "1{}")):
        event = probe.event()
        written = [("content-length", text.format(len(event.body))) for text in lengths]
        answer = await _framed(probe, event, written, event.body)
        probe.must_refuse("a request with two lengths", answer, event, or_close=True)


async def _bad_lengths(probe: Probe) -> None:
    for pattern in ("-1", "+{0}", "{0},1{0}", "0x{0:x}", "{0}.0", "{0}x", "9" * 40):
        event = probe.event()
        written = pattern.format(len(event.body))
        answer = await _framed(probe, event, [("content-length", written)], event.body)
        probe.must_refuse(f"a content-length of {written}", answer, event, or_close=True)


async def _bad_chunks(probe: Probe) -> None:
    for sent, before in (
        ("with a letter before it", b"z"),
        ("that is negative", b"-"),
        ("of thirty digits", b"1" + b"0" * 30),
        ("with 0x before it", b"0x"),
    ):
        event = probe.event()
        body = before + chunks(event.body, len(event.body))
        answer = await _framed(probe, event, [CHUNKED], body)
        probe.must_refuse(f"a chunk size {sent}", answer, event, or_close=True)
    event = probe.event()
    body = chunks(event.body, len(event.body)).replace(event.body, event.body + b"more")
    answer = await _framed(probe, event, [CHUNKED], body)
    probe.must_refuse("a chunk that is longer than it says", answer, event, or_close=True)


async def _framed(probe: Probe, event: Event, framing: Sequence[Header], body: bytes) -> Answer:
    request = probe.open(event, framing, probe.target.signer.sign(event.body))
    return (await answers_to(probe, request + body, 1))[0]


async def _bad_heads(probe: Probe) -> None:
    address = probe.target.address
    good = head(address, [("content-length", "0")])
    for sent, data in (
        (
            "the greeting of TLS on a line for HTTP",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ),
        ("a line of noise", b"\x00\xff\xfe noise \r\n\r\n"),
        ("a request line without a version", f"POST {address.path}\r\n\r\n".encode()),
        ("a version that there is not", good.replace(b"HTTP/1.1", b"HTTP/9.9")),
        ("a NUL in a header", good.replace(b"host:", b"x-nul: a\0b\r\nhost:")),
        ("a space before a colon", good.replace(b"content-length:", b"content-length :")),
        ("a header without a name", good.replace(b"host:", b": nothing\r\nhost:")),
        ("a header without a colon", good.replace(b"host:", b"nothing\r\nhost:")),
        (f"{MANY_HEADERS} headers", head(address, [("x-many", "1")] * MANY_HEADERS)),
        ("a header of 200,000 characters", head(address, [("x-long", "x" * LONG_LINE)])),
        ("a path of 200,000 characters", good.replace(b" HTTP", b"x" * LONG_LINE + b" HTTP", 1)),
    ):
        # The end of our side tells a receiver that waits for more that none comes; over TLS only
        # the empty line does.
        answer = (await answers_to(probe, data, 1, finish=True))[0]
        probe.must_refuse(sent, answer, or_close=True)
    event = probe.event()
    probe.must_accept("a good delivery after them", await probe.deliver(event), event)


CHECKS = (
    Check(
        "smuggled-request",
        "A request with both a length and chunks is not taken for two.",
        "A proxy that reads it as one would let pass what it never saw.",
        _smuggled,
    ),
    Check(
        "two-lengths",
        "A request with two lengths that differ is refused.",
        "Two readers would see different requests.",
        _two_lengths,
    ),
    Check(
        "bad-lengths",
        "A content-length that is no plain number is refused.",
        "Two readers would see different requests.",
        _bad_lengths,
    ),
    Check(
        "bad-chunks",
        "Chunk sizes that are no plain hexadecimal numbers are refused.",
        "Two readers would see different requests.",
        _bad_chunks,
    ),
    Check(
        "bad-heads",
        "A head that is no HTTP, or far too long, is answered 4xx or closed.",
        "Scanners send such things all day; a 5xx or a crash shows more than it should.",
        _bad_heads,
    ),
)
