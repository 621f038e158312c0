"""What happens on the connection itself: heads judged before bodies, bodies that never end."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.receive.body import UNFINISHED_BYTES, Share, join_small
from tests.integration.gateways import PATH, Running, running
from tests.making import now
from tests.servers import Server
from tests.signing import signature_header, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

KIB = 1024
BODY = b'{"id":"evt_1","type":"message.new"}'
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WELL_FORMED = f"t={now()},v0={'0' * 64}"


@dataclass(frozen=True)
class Answer:
    """An answer, read from the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The reason of a refusal."""
        return str(json.loads(self.body)["reason"])


class Wire:
    """A sender that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def head(
        self, headers: Mapping[str, str], *, method: str = "POST", path: str = PATH
    ) -> None:
        """Send a request line and headers."""
        lines = [f"{method} {path} HTTP/1.1", "host: relay"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def interim(self) -> bytes:
        """Read an interim answer."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> Answer:
        """Read one whole answer; fail if none comes."""
        async with asyncio.timeout(10):
            start, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(start.split()[1]), headers, body)

    async def hang_up(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(gateway: Running, address: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """Open a connection from a loopback address."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", gateway.port, local_addr=(address, 0)
    )
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


@pytest.fixture
async def gateway(server: Server) -> AsyncIterator[Running]:
    """A gateway that takes bodies of up to 64 KiB and holds 1 MiB of them."""
    limits = {"max_body_bytes": 64 * KIB, "body_budget_bytes": 1024 * KIB, "body_seconds": 30}
    async with running(server, limits) as one:
        yield one


def in_hand(gateway: Running) -> int:
    """Give the body bytes that the gateway holds."""
    return gateway.gateway.budget.in_hand_bytes


def budget_of(gateway: Running) -> int:
    """Give how many body bytes the gateway may hold."""
    return gateway.gateway.budget.limit_bytes


# The head is judged before the body.


async def test_a_sender_that_asks_first_may_go_on(gateway: Running) -> None:
    """``Expect: 100-continue`` with a good head is told to continue, then stored."""
    async with connected(gateway) as wire:
        await wire.head(
            {**signed(BODY), "expect": "100-continue", "content-length": str(len(BODY))}
        )
        interim = await wire.interim()
        await wire.send(BODY)
        answer = await wire.answer()

    assert interim == CONTINUE
    assert (answer.status, answer.body) == (200, b'{"received":true}')
    assert len(await gateway.events()) == 1


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (signed(BODY), 413)])
async def test_who_sends_a_long_body_to_its_end_sees_why_it_is_refused(
    gateway: Running, headers: dict[str, str], status: int
) -> None:
    """The rest of a refused body is read, so that no reset overtakes the answer."""
    async with connected(gateway) as wire:
        await wire.head({**headers, "content-length": str(1024 * KIB)})
        for _ in range(64):
            await wire.send(b"x" * 16 * KIB)
            await asyncio.sleep(0)
        answer = await wire.answer()

    assert answer.status == status


async def test_a_sender_of_http_1_0_gets_one_answer(gateway: Running) -> None:
    """It does not know interim answers, so it gets none, whatever it says of expecting."""
    headers = {**signed(BODY), "expect": "100-continue", "content-length": str(len(BODY))}
    lines = [f"POST {PATH} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    async with connected(gateway) as wire:
        await wire.send("\r\n".join([*lines, "", ""]).encode())
        await wait_until(lambda: in_hand(gateway) > 0, description="the body is waited for")
        await wire.send(BODY)
        answer = await wire.answer()

    assert (answer.status, answer.body) == (200, b'{"received":true}')


async def test_a_long_head_counts_while_its_body_is_waited_for(gateway: Running) -> None:
    """Who sends many headers and half a body takes as much of the budget as of the memory."""
    headers = {**signed(BODY), "content-length": "100"}
    async with connected(gateway) as one:
        await one.head(headers)
        await wait_until(lambda: in_hand(gateway) > 0, description="one is waited for")
        usual = in_hand(gateway)
        async with connected(gateway) as other:
            await other.head({**headers, "x": "y" * 8000, "z": "y" * 8000})
            await wait_until(lambda: in_hand(gateway) > usual, description="both are waited for")
            await wait_until(
                lambda: in_hand(gateway) > 2 * usual + 2 * 13_000, description="the head counts"
            )


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "reason"),
    [
        ("POST", PATH, {}, 401, "signature_missing"),
        ("POST", PATH, {"unipile-signature": "t=1"}, 401, "signature_malformed"),
        ("POST", "/webhooks/other", signed(BODY), 404, "unknown_endpoint"),
        ("PUT", PATH, signed(BODY), 405, "method_not_allowed"),
        (
            "POST",
            PATH,
            {"unipile-signature": WELL_FORMED, "content-length": str(64 * KIB + 1)},
            413,
            "body_too_large",
        ),
    ],
)
@pytest.mark.parametrize("asks_first", [False, True], ids=["at once", "asks first"])
async def test_a_head_that_cannot_become_valid_is_refused_without_its_body(
    gateway: Running,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    reason: str,
    *,
    asks_first: bool,
) -> None:
    """Not a byte of the body is waited for, and who asks first is not told to send it."""
    expect = {"expect": "100-continue"} if asks_first else {}
    async with connected(gateway) as wire:
        await wire.head({"content-length": "1000", **expect, **headers}, method=method, path=path)
        answer = await wire.answer()

    assert (answer.status, answer.reason) == (status, reason)


async def test_a_refused_body_is_not_taken_for_a_request(gateway: Running) -> None:
    """What follows a refused head is its body; the next request on the connection is the next."""
    inner = b"POST /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
    async with connected(gateway) as wire:
        await wire.head({"content-length": str(len(inner))})
        await wire.send(inner)
        refused = await wire.answer()
        await wire.head({**signed(BODY), "content-length": str(len(BODY))})
        await wire.send(BODY)
        stored = await wire.answer()

    assert (refused.status, refused.reason) == (401, "signature_missing")
    assert stored.status == 200


async def test_a_wrong_signature_is_refused_after_its_body(gateway: Running) -> None:
    """A well-formed header can be judged by the body only; then it is refused, and not stored."""
    async with connected(gateway) as wire:
        await wire.head(
            {
                "unipile-signature": WELL_FORMED,
                "expect": "100-continue",
                "content-length": str(len(BODY)),
            }
        )
        interim = await wire.interim()
        await wire.send(BODY)
        answer = await wire.answer()

    assert interim == CONTINUE
    assert (answer.status, answer.reason) == (401, "signature_mismatch")
    assert await gateway.streams() == set()


async def test_a_query_is_kept_as_it_stood_on_the_wire(gateway: Running) -> None:
    """No decoding and encoding again changes what the sender wrote."""
    async with connected(gateway) as wire:
        await wire.head(
            {**signed(BODY), "content-length": str(len(BODY))}, path=f"{PATH}?a=%zz&b=c+d&%74oken=x"
        )
        await wire.send(BODY)
        await wire.answer()

    (event,) = (await gateway.events()).values()
    assert event.query == "a=%zz&b=c+d&%74oken=redacted"


# Bodies that do not arrive.


async def test_a_sender_that_hangs_up_leaves_nothing(gateway: Running) -> None:
    """Half a body is not stored, not held, and no error of ours."""
    with capture_logs() as captured:
        async with connected(gateway) as wire:
            await wire.head({**signed(BODY), "content-length": "1000"})
            await wire.send(BODY)
            await wait_until(lambda: in_hand(gateway) > 0, description="bytes are in hand")
            await wire.hang_up()
            await wait_until(lambda: in_hand(gateway) == 0, description="they are given back")

    assert await gateway.streams() == set()
    assert [line for line in captured if line["log_level"] == "error"] == []


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n\r\n"])
async def test_a_broken_chunk_is_the_senders_fault(gateway: Running, chunk: bytes) -> None:
    """Chunks that cannot be read are answered 4xx, not held, and no error of ours."""
    with capture_logs() as captured:
        async with connected(gateway) as wire:
            await wire.head({**signed(BODY), "transfer-encoding": "chunked"})
            await wire.send(chunk)
            answer = await wire.answer()

    assert 400 <= answer.status < 500
    assert in_hand(gateway) == 0
    assert await gateway.streams() == set()
    assert [line for line in captured if line["log_level"] == "error"] == []


async def test_a_body_that_stops_is_cut(server: Server) -> None:
    """A sender that stops half-way is answered 408 when its time is over."""
    async with running(server, {"body_seconds": 0.1}) as gateway, connected(gateway) as wire:
        await wire.head({**signed(BODY), "content-length": "1000"})
        await wire.send(BODY)
        answer = await wire.answer()
        held = in_hand(gateway)

    assert (answer.status, answer.reason) == (408, "body_incomplete")
    assert held == 0


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes in hand after each chunk that arrived."""
    found: list[int] = []
    grow = Share.grow

    def noted(self: Share, size_bytes: int) -> None:
        try:
            grow(self, size_bytes)
        finally:
            found.append(self._budget.in_hand_bytes)

    monkeypatch.setattr(Share, "grow", noted)
    return found


async def unfinished(gateway: Running, address: str) -> Wire:
    """Send a body of the allowed length but for its last byte, with a well-formed signature."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", gateway.port, local_addr=(address, 0)
    )
    wire = Wire(reader, writer)
    await wire.head({"unipile-signature": WELL_FORMED, "content-length": str(64 * KIB)})
    await wire.send(b"x" * (64 * KIB - 1))
    return wire


@pytest.mark.parametrize("addresses", [1, 60], ids=["one client", "many clients"])
async def test_bodies_that_never_end_do_not_keep_good_ones_out(
    gateway: Running, peaks: list[int], addresses: int
) -> None:
    """Sixty senders, each one byte short: memory stays bounded and good deliveries go on."""
    wires = [await unfinished(gateway, f"127.0.0.{2 + number % addresses}") for number in range(60)]
    body = b"x" * (60 * KIB)
    signed_at = now()  # once: an equal body of an equal second would be a repeat
    answers = [await gateway.send(body, signed(body, signed_at - n)) for n in range(3)]
    limit = 64 * KIB + UNFINISHED_BYTES if addresses == 1 else budget_of(gateway)

    await wait_until(lambda: in_hand(gateway) <= limit, description="the budget is kept")
    for wire in wires:
        await wire.hang_up()
    await wait_until(lambda: in_hand(gateway) == 0, description="all is given back")

    assert [answer.status for answer in answers] == [200] * 3
    # What one read of a connection gives may come on top of it.
    assert max(peaks) <= limit + 256 * KIB
    assert len(await gateway.events("unidentified")) == 3


async def test_a_body_that_comes_in_small_pieces_is_kept_in_large_ones(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender chooses the pieces, and must not choose what each of its bytes costs."""
    sent: list[bytes] = []
    kept: list[int] = []

    def noted(pieces: list[bytes]) -> None:
        join_small(pieces)
        kept.append(len(pieces))

    monkeypatch.setattr("relay.receive.reading.join_small", noted)
    async with connected(gateway) as wire:
        await wire.head({**signed(BODY), "content-length": str(len(BODY))})
        for byte in BODY:
            sent.append(bytes([byte]))
            await wire.send(sent[-1])
            await wait_until(lambda: len(kept) == len(sent), description="it came")
        answer = await wire.answer()

    assert set(kept) == {1}
    assert answer.status == 200
    assert [event.data for event in (await gateway.events()).values()] == [BODY]


async def test_the_cut_senders_are_told(gateway: Running) -> None:
    """A sender whose body was cut for another's sake gets an answer, and the newcomer its own."""
    older = await unfinished(gateway, "127.0.0.1")
    held = UNFINISHED_BYTES + 64 * KIB - 1
    await wait_until(lambda: in_hand(gateway) == held, description="it is in hand")

    response = await gateway.send(b"x" * (10 * KIB))
    answer = await older.answer()
    await older.hang_up()

    assert response.status == 200
    assert (answer.status, answer.reason) == (408, "body_incomplete")


async def test_deliveries_are_refused_while_whole_bodies_fill_the_budget(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many bytes in hand: 503 with ``Retry-After`` before the body, and nothing is lost."""
    may_go_on = asyncio.Event()
    appender = gateway.gateway._appender
    append = appender.append

    async def held_up(*arguments: Any) -> Any:
        await may_go_on.wait()
        return await append(*arguments)

    monkeypatch.setattr(appender, "append", held_up)
    limit = budget_of(gateway)
    monkeypatch.setattr(gateway.gateway.budget, "client_bytes", limit)
    whole, rest = divmod(limit, 64 * KIB)
    sizes = [64 * KIB] * whole + [rest] * (rest > 0)
    bodies = [b"%03d" % number + b"x" * (size - 3) for number, size in enumerate(sizes)]
    sending = [asyncio.create_task(gateway.send(body)) for body in bodies]
    await wait_until(lambda: in_hand(gateway) == limit, description="all bodies are in hand")

    async with connected(gateway) as wire:
        await wire.head({"unipile-signature": signature_header(BODY), "content-length": "1000"})
        refused = await wire.answer()
    may_go_on.set()
    stored = await asyncio.gather(*sending)

    assert (refused.status, refused.reason) == (503, "overloaded")
    assert refused.headers["retry-after"] == "5"
    assert {answer.status for answer in stored} == {200}
    assert len(await gateway.events("unidentified")) == len(bodies)
