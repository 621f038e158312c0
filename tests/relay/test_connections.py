"""Senders' connections, on real sockets and with no store."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvloop
from aiohttp import web

from relay.http.listen import bound
from relay.metrics import Metrics
from relay.metrics.families import CLOSED_CONNECTIONS
from relay.receive.body import Budget
from relay.receive.connections import HEAD_BYTES, MAX_HEADERS, PART_SECONDS, Connections
from relay.receive.routes import Ingress
from tests.waiting import wait_until

GET = b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass
class Place:
    """Connections over an ingress whose one page can be held up."""

    connections: Connections
    ingress: Ingress
    budget: Budget
    metrics: Metrics
    port: int
    may_answer: asyncio.Event
    asked: list[int] = field(default_factory=list)
    senders: list["Sender"] = field(default_factory=list)
    raw: list[socket.socket] = field(default_factory=list)

    async def connect(self) -> "Sender":
        """Connect; the gateway may take it later."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.senders.append(Sender(reader, writer))
        return self.senders[-1]

    def closed(self) -> dict[str, float]:
        """Say how many had to make room, by state."""
        rows = self.metrics.tally().counters
        return {labels[0]: n for name, labels, n in rows if name == CLOSED_CONNECTIONS.name}

    async def stop_reading(self) -> None:
        """Connect and ask for more than the other end can send without being read."""
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            raw.settimeout(0)
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.port))
            sender = raw.dup()
        self.raw.append(sender)
        before = set(self.ingress.quiet)
        asked = len(self.asked)

        def is_stuck() -> bool:
            with suppress(BlockingIOError):
                sender.send(GET * 2000)
            new = set(self.ingress.quiet) - before
            return len(self.asked) > asked and any(one.writing_paused for one in new)

        await wait_until(is_stuck, description="it is answered no more")

    async def until_open(self, count: int) -> None:
        """Wait until as many connections are open."""
        await wait_until(
            lambda: self.connections.count == count, description=f"{count} connections are open"
        )


@dataclass
class Sender:
    """One connection, from the sender's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def get(self) -> bytes:
        """Ask for the page, and give the head of the answer; nothing if the connection ends."""
        self.writer.write(GET)
        return await self.head()

    async def head(self) -> bytes:
        """Read the head of an answer and its body."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        await self.reader.readexactly(2)
        return head

    async def ended(self) -> bool:
        """Wait for the end of the connection."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Hang up."""
        self.writer.transport.abort()


class NoEndpoints:
    """Stands where the receiver would; no delivery is sent here."""

    endpoints: dict[str, object] = {}  # noqa: RUF012 - never changed


@asynccontextmanager
async def place(
    *,
    limit: int = 100,
    idle_seconds: float = 60.0,
    sockets: Sequence[socket.socket] | None = None,
) -> AsyncIterator[Place]:
    """Accept connections within the block, on sockets of its own unless some are given."""
    may_answer = asyncio.Event()
    may_answer.set()

    async def page() -> web.Response:
        made.asked.append(1)
        await may_answer.wait()
        return web.Response(body=b"ok")

    metrics, budget = Metrics(), Budget(1 << 20, max_body_bytes=1 << 16)
    ingress = Ingress(NoEndpoints(), {"/page": page})  # type: ignore[arg-type]
    connections = Connections(ingress, budget, metrics, limit=limit, idle_seconds=idle_seconds)
    runner = web.ServerRunner(connections, shutdown_timeout=1.0)
    await runner.setup()
    with bound("127.0.0.1", 0) as own:
        sockets = sockets or own
        port = sockets[0].getsockname()[1]
        made = Place(connections, ingress, budget, metrics, port, may_answer)
        connections.accept_on(sockets)
        try:
            yield made
        finally:
            may_answer.set()
            for sender in made.senders:
                sender.close()
            for stuck in made.raw:
                stuck.close()
            connections.stop_accepting()
            await runner.cleanup()


async def test_connections_are_counted_while_they_are_open() -> None:
    """Each is counted from its beginning to its end."""
    async with place() as here:
        senders = [await here.connect() for _ in range(5)]
        await here.until_open(5)
        answers = [await sender.get() for sender in senders]
        for sender in senders[:3]:
            sender.close()
        await here.until_open(2)
        quiet = len(here.ingress.quiet)
        for sender in senders[3:]:
            sender.close()
        await here.until_open(0)

    assert all(head.startswith(b"HTTP/1.1 200") for head in answers)
    assert quiet == 2
    assert here.ingress.quiet == {}


async def test_at_the_limit_the_one_that_is_quiet_for_longest_makes_room() -> None:
    """A newcomer is served at once; who has just asked stays."""
    async with place(limit=3) as here:
        first, second, third = [await here.connect() for _ in range(3)]
        await here.until_open(3)
        for sender in (second, third, first):
            assert await sender.get()
        newcomer = await here.connect()
        served = await newcomer.get()
        ended = await second.ended()
        stayed = [await first.get(), await third.get()]

    assert served.startswith(b"HTTP/1.1 200")
    assert ended
    assert all(stayed)
    assert here.closed() == {"idle": 1}


async def test_a_request_that_has_just_come_is_answered_before_its_connection_ends() -> None:
    """Making room, or running out, never swallows what was being read at that moment."""
    async with place() as here:
        sender = await here.connect()
        await here.until_open(1)
        (handler,) = here.ingress.quiet
        handler.data_received(GET)
        here.connections.close_quiet()
        answer = await sender.head()
        ended = await sender.ended()
        await here.until_open(0)

    assert answer.startswith(b"HTTP/1.1 200")
    assert ended


async def test_a_connection_on_which_nothing_came_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it was about to end, a request on it would be thrown away unread."""
    monkeypatch.setattr("relay.receive.connections.PART_SECONDS", 60.0)
    async with place() as here:
        sender = await here.connect()
        assert await sender.get()
        await wait_until(lambda: bool(here.ingress.quiet), description="it is quiet")
        here.connections.close_quiet()
        async with asyncio.timeout(10):
            ended = await sender.ended()

    assert ended


async def test_one_that_waits_for_its_answer_makes_no_room() -> None:
    """Where all have a request under way a newcomer waits in the backlog, and is served then."""
    async with place(limit=2) as here:
        here.may_answer.clear()
        busy = [await here.connect() for _ in range(2)]
        asking = [asyncio.create_task(sender.get()) for sender in busy]
        await wait_until(lambda: len(here.asked) == 2, description="both have asked")
        newcomer = await here.connect()
        waiting = asyncio.create_task(newcomer.get())
        await wait_until(lambda: bool(here.connections._pauses), description="accepting pauses")
        here.may_answer.set()
        answers = await asyncio.gather(*asking, waiting)

    assert all(head.startswith(b"HTTP/1.1 200") for head in answers)


async def test_an_unfinished_body_makes_room_before_one_that_has_just_come() -> None:
    """Who keeps bodies unfinished cannot push out those that are about to send."""
    async with place(limit=1) as here:
        first = await here.connect()
        await here.until_open(1)
        share = here.budget.share("a")
        here.budget.begin(share)
        second = await here.connect()
        await here.until_open(2)
        here.budget.finish(share)
        answers = [await first.get(), await second.get()]

    assert all(answers)
    assert here.closed() == {"unfinished": 1}


async def test_an_unfinished_body_makes_room_when_nobody_is_quiet() -> None:
    """The budget is asked for the one that is longest unfinished."""
    async with place(limit=1) as here:
        here.may_answer.clear()
        busy = await here.connect()
        asking = asyncio.create_task(busy.get())
        await wait_until(lambda: len(here.asked) == 1, description="one has asked")
        share = here.budget.share("a")
        here.budget.begin(share)
        newcomer = await here.connect()
        await wait_until(lambda: here.connections.count == 2, description="the newcomer is in")
        here.budget.finish(share)
        here.may_answer.set()
        answers = [await asking, await newcomer.get()]

    assert all(answers)
    assert here.closed()["unfinished"] >= 1


@pytest.mark.parametrize("sent", [b"", b"GET /page HTT", b"GET /page HTTP/1.1\r\nhost: x\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes) -> None:
    """Who connects and sends nothing, or half a head, is cut."""
    async with place(idle_seconds=0.05) as here:
        sender = await here.connect()
        sender.writer.write(sent)
        ended = await sender.ended()
        await here.until_open(0)

    assert ended


async def test_a_head_that_grows_on_and_on_is_cut() -> None:
    """Headers that are not too long, nor too many, fill no memory either."""
    line = b"x: " + b"y" * 8000 + b"\r\n"
    async with place() as here:
        sender = await here.connect()
        sender.writer.write(b"GET /page HTTP/1.1\r\n" + line * (4 * HEAD_BYTES // len(line)))
        ended = await sender.ended()
        await here.until_open(0)

    assert ended
    assert here.asked == []


@pytest.mark.parametrize("headers", [b"x: y\r\n" * (MAX_HEADERS + 1), b"x: " + b"y" * 8200])
async def test_too_many_or_too_long_headers_are_refused(headers: bytes) -> None:
    """What no sender needs is not read to its end."""
    async with place() as here:
        sender = await here.connect()
        sender.writer.write(b"GET /page HTTP/1.1\r\n" + headers + b"\r\n\r\n")
        answer = await sender.reader.read()

    assert answer.startswith(b"HTTP/1.0 400")
    assert here.asked == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /page HTTP/1.1\r\nx canary-in-header-9c07: 1\r\n\r\n",
        b"canary-in-header-9c07 /page HTTP/1.1\r\n\r\n",
        b"POST /page HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\ncanary-in-body-5b1d\r\n",
    ],
)
async def test_what_cannot_be_read_is_not_repeated(sent: bytes) -> None:
    """The answer says so in our words, and neither the sender's text nor what we are made of."""
    async with place() as here:
        sender = await here.connect()
        sender.writer.write(sent)
        answer = await sender.reader.read()

    assert answer.startswith(b"HTTP/1.0 400")
    assert b'"reason":"malformed_request"' in answer
    assert b"server: webhook-relay" in answer
    assert b"canary" not in answer
    assert b"aiohttp" not in answer


async def test_a_kept_connection_may_send_any_number_of_heads() -> None:
    """What was received before is nothing against the next request, though it comes in two."""
    long = b"GET /page HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 7000
    async with place() as here:
        sender = await here.connect()
        for _ in range(3 * HEAD_BYTES // len(long)):
            sender.writer.write(long)
            await asyncio.sleep(2 * PART_SECONDS)
            sender.writer.write(b"\r\n\r\n")
            assert await sender.head()


async def test_who_takes_no_answer_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit one that does not read is ended, though answers are still to be sent to it."""
    monkeypatch.setattr("relay.receive.connections.UNSENT_SECONDS", 0.01)
    async with place(limit=2) as here:
        for _ in range(2):
            await here.stop_reading()
        stuck = list(here.ingress.quiet)
        newcomers = [await here.connect() for _ in range(2)]
        answers = [await sender.get() for sender in newcomers]
        await here.until_open(2)

    assert all(answers)
    assert all(handler.transport is None for handler in stuck)


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_takes_no_answer_is_not_kept(
    make_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the limit, too, it has its time and no more; each loop has transports of its own."""
    monkeypatch.setattr("relay.receive.connections.SWEEP_SECONDS", 0.02)

    async def left() -> dict[web.RequestHandler, float]:
        async with place(idle_seconds=0.2) as here:
            await here.stop_reading()
            await here.until_open(0)
            return here.ingress.quiet

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(left()) == {}


async def test_those_that_are_being_ended_do_not_lift_the_limit() -> None:
    """One unfinished body makes room once, and newcomers wait while the ended are still there."""
    async with place(limit=1) as here:
        here.may_answer.clear()
        shares = [here.budget.share(f"{n}") for n in range(40)]
        for share in shares:
            here.budget.begin(share)
        senders = [await here.connect() for _ in range(40)]
        asking = [asyncio.create_task(sender.get()) for sender in senders]
        await wait_until(lambda: bool(here.connections._pauses), description="accepting pauses")
        most = here.connections.count + len(here.connections._arriving)
        cut = sum(share.is_cut for share in shares)
        for share in shares:
            here.budget.finish(share)
        here.may_answer.set()
        answers = await asyncio.gather(*asking)

    assert all(answers)
    assert most == 17
    assert cut >= 16


async def test_accepting_goes_on_after_the_system_had_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No free file descriptor is a pause, and no end."""
    monkeypatch.setattr("relay.receive.connections.LONG_PAUSE_SECONDS", 0.01)
    failures = [OSError(errno.EMFILE, "too many open files")] * 3
    accept: Callable[[socket.socket], tuple[socket.socket, object]] = socket.socket.accept

    def sometimes(listening: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return accept(listening)

    async with place() as here:
        monkeypatch.setattr(socket.socket, "accept", sometimes)
        sender = await here.connect()
        answer = await sender.get()

    assert answer.startswith(b"HTTP/1.1 200")
    assert failures == []


async def test_a_quiet_one_makes_room_where_the_system_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fewer file descriptors than connections are wanted keep no newcomer out."""
    monkeypatch.setattr("relay.receive.connections.LONG_PAUSE_SECONDS", 0.01)
    accept: Callable[[socket.socket], tuple[socket.socket, object]] = socket.socket.accept

    async with place() as here:

        def two_at_most(listening: socket.socket) -> tuple[socket.socket, object]:
            if here.connections.count >= 2:
                raise OSError(errno.EMFILE, "too many open files")
            return accept(listening)

        monkeypatch.setattr(socket.socket, "accept", two_at_most)
        idle = [await here.connect() for _ in range(2)]
        await here.until_open(2)
        answer = await (await here.connect()).get()
        ended = await idle[0].ended()

    assert answer.startswith(b"HTTP/1.1 200")
    assert ended


async def test_who_comes_after_the_end_is_left_to_others() -> None:
    """A connection that nobody accepted waits for whoever accepts next on the socket."""
    with bound("127.0.0.1", 0) as sockets:
        async with place(sockets=sockets) as here:
            here.connections.stop_accepting()
            sender = await here.connect()  # by the kernel
            here.senders.remove(sender)
            asking = asyncio.create_task(sender.get())
        async with place(sockets=sockets) as successor:
            answer = await asking
            sender.close()
            await successor.until_open(0)

    assert here.asked == []
    assert answer.startswith(b"HTTP/1.1 200")


async def test_draining_asks_for_another_connection_next_time() -> None:
    """From then on every answer closes its connection."""
    async with place() as here:
        sender = await here.connect()
        before = await sender.get()
        here.ingress.drain()
        after = await sender.get()
        ended = await sender.ended()

    assert b"connection: close" not in before.lower()
    assert b"connection: close" in after.lower()
    assert ended
