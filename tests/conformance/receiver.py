"""A small receiver that does everything right, written apart from the gateway.

It reads HTTP by itself, so that each of its steps can be spoilt by itself: see ``bad``.
"""

import asyncio
import hashlib
import hmac
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from relay.conformance.observe import marks_in

SECRET = "conformance-secret-of-the-receiver"
SECOND = "conformance-secret-of-the-receiver-to-be"
PATH = "/hooks/shop"
MAX_BODY_BYTES = 128 * 1024
TOLERANCE_SECONDS = 300
TYPES = {"message.new"}
HEAD_BYTES = 32 * 1024
LINGER_SECONDS = 1.0


class Refused(Exception):
    """The answer is this status."""

    def __init__(self, status: int, text: str = "", *, is_last: bool = False) -> None:
        super().__init__(status)
        self.status = status
        self.text = text
        self.is_last = is_last
        # Of the request, where it was read so far.
        self.method = ""


@dataclass
class Request:
    """One request, its body read last."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    number: int = 1
    was_waiting: bool = False
    is_trusted: bool = False

    def all(self, name: str) -> list[str]:
        """Give every value of a header."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        """Give the last value of a header, or nothing."""
        return (self.all(name) or [""])[-1]

    def is_of(self, check: str) -> bool:
        """Tell whether a check of this name has sent it."""
        return f"-{check}-".encode() in self.body


@dataclass
class Answered:
    """What is answered."""

    status: int
    body: dict[str, object]
    headers: dict[str, str] = field(default_factory=dict)


class Receiver:
    """Takes what is signed, once, and nothing else."""

    patience_seconds = 20.0
    slow_seconds = 0.1
    max_body_bytes = MAX_BODY_BYTES
    secrets: tuple[str, ...] = (SECRET, SECOND)

    def __init__(self) -> None:
        self.seen: set[object] = set()
        self.stored: list[bytes] = []
        self.port = 0
        self.is_away = False
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # The observer's side.

    async def counts(self) -> Counter[str]:
        """Say how often each mark was stored."""
        return Counter(mark for body in self.stored for mark in set(marks_in([body])))

    async def break_it(self) -> None:
        """Take away what it stores in."""
        self.is_away = True

    async def mend_it(self) -> None:
        """Give it back."""
        self.is_away = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Listen within the block."""
        server = await asyncio.start_server(
            self._connection, "127.0.0.1", 0, limit=HEAD_BYTES, backlog=512, ssl=tls
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # HTTP.

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            # Cancelled where the test is over; asyncio would say so for each connection.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.serve(reader, writer)
        finally:
            self._tasks.discard(task)
            self.connections -= 1
            if task.cancelling():
                writer.transport.abort()
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        number, trusted = 0, False
        while True:
            number += 1
            waiting = bool(reader._buffer)  # type: ignore[attr-defined]  # nothing public tells
            method = ""
            try:
                request = await self.read(reader, writer)
                request.number, request.was_waiting = number, waiting
                request.is_trusted, method = trusted, request.method
                answered, is_last = await self.take(request), False
                trusted = answered.status == 200
            except Refused as refusal:
                answered = Answered(refusal.status, {"reason": refusal.text or "refused"})
                is_last = refusal.is_last
                method = method or refusal.method
            await self.write(writer, answered, method, is_last=is_last)
            if is_last:
                await self._linger(reader, writer)
                return

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
        """Read one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise Refused(431, is_last=True) from None
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Refused(400, is_last=True) from None
            raise
        request = self.parse_head(head)
        try:
            await self.judge_head(request)
            await self.read_body(request, reader, writer)
        except Refused as refusal:
            refusal.is_last = refusal.is_last or request.method != "HEAD"
            refusal.method = request.method
            raise
        return request

    def parse_head(self, head: bytes) -> Request:
        """Read a head, strictly."""
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        found = re.fullmatch(r"([A-Z]+) (/[!-~]*) HTTP/1\.[01]", first)
        pairs = [re.fullmatch(r"([!-9;-~]+):([^\0\r\n]*)", line) for line in lines]
        if found is None or not all(pairs) or len(pairs) > 100:
            raise Refused(400, is_last=True)
        headers = [(pair[1].lower(), pair[2].strip()) for pair in pairs if pair]
        return Request(found[1], found[2], headers)

    async def judge_head(self, request: Request) -> None:
        """Refuse what needs no body to be refused."""
        if request.path != PATH:
            raise Refused(404)
        if request.method != "POST":
            raise Refused(405)

    async def read_body(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read the body."""
        length = self.framing(request)
        if length is not None and length > self.max_body_bytes:
            raise Refused(413, is_last=True)
        if request.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if length is None:
                request.body = await self.read_chunks(reader)
            else:
                request.body = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            self.broken_off(error.partial)
            raise

    def broken_off(self, partial: bytes) -> None:
        """Take note of what came before a connection was cut: nothing."""

    def framing(self, request: Request) -> int | None:
        """Give the length of the body; none where it comes in chunks."""
        lengths, encodings = request.all("content-length"), request.all("transfer-encoding")
        if len(lengths) + len(encodings) > 1 or (encodings and encodings != ["chunked"]):
            raise Refused(400, is_last=True)
        return None if encodings else self.length(lengths[0] if lengths else "0")

    def length(self, text: str) -> int:
        """Read a length, strictly."""
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise Refused(400, is_last=True)
        return int(text)

    def chunk_size(self, text: bytes) -> int:
        """Read a chunk's size, strictly."""
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", text):
            raise Refused(400, is_last=True)
        return int(text, 16)

    async def read_chunks(self, reader: asyncio.StreamReader) -> bytes:
        """Read a body in chunks."""
        body = bytearray()
        while True:
            line = await reader.readuntil(b"\r\n")
            size = self.chunk_size(line[:-2].partition(b";")[0])
            if len(body) + size > self.max_body_bytes:
                raise Refused(413, is_last=True)
            body += await reader.readexactly(size)
            if await reader.readexactly(2) != b"\r\n":
                raise Refused(400, is_last=True)
            if not size:
                return bytes(body)

    async def write(
        self, writer: asyncio.StreamWriter, answered: Answered, method: str, *, is_last: bool
    ) -> None:
        """Write an answer."""
        body = json.dumps(answered.body).encode()
        lines = {"content-type": "application/json", "content-length": str(len(body))}
        lines |= answered.headers | ({"connection": "close"} if is_last else {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {answered.status} x\r\n{head}\r\n".encode("utf-8", "replace"))
        writer.write(self.body_for(method, body))
        await writer.drain()

    def body_for(self, method: str, body: bytes) -> bytes:
        """Give what stands behind the head of an answer."""
        return b"" if method == "HEAD" else body

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read on for a moment: a reset would take the answer from who still sends."""
        if writer.can_write_eof():
            writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while await reader.read(65536):
                    pass

    # What a delivery means.

    async def take(self, request: Request) -> Answered:
        """Take one delivery."""
        self.verify(request)
        document = self.parse(request.body)
        return await self.keep(request, document)

    def verify(self, request: Request) -> None:
        """Refuse what is not signed, or not now."""
        header = self.signature_of(request)
        parts = [part.partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        signatures = [value for name, _, value in parts if name == "v0"]
        if not times or not re.fullmatch(r"[0-9]{1,12}", times[0], re.ASCII) or not signatures:
            raise Refused(401, "malformed")
        if not self.matches(times[0], signatures, request):
            raise Refused(401, "mismatch")
        self.judge_age(time.time() - int(times[0]))

    def signature_of(self, request: Request) -> str:
        """Give the header, or refuse."""
        header = request.get("unipile-signature")
        if not header:
            raise Refused(401, "missing")
        return header

    def matches(self, at: str, signatures: list[str], request: Request) -> bool:
        """Tell whether one of the signatures is right."""
        return any(
            self.same(self.expected(secret, at, request.body), signature)
            for secret in self.secrets
            for signature in signatures
        )

    def expected(self, secret: str, at: str, body: bytes) -> str:
        """Give the right signature."""
        signed = at.encode() + b"." + body
        return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()

    def same(self, expected: str, signature: str) -> bool:
        """Compare two."""
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))

    def judge_age(self, age_seconds: float) -> None:
        """Refuse what is too old or too new."""
        if abs(age_seconds) > TOLERANCE_SECONDS:
            raise Refused(401, "age")

    def parse(self, body: bytes) -> dict[str, Any] | None:
        """Read a body, if it is a JSON object."""
        try:
            document = json.loads(body, parse_constant=_refuse, object_pairs_hook=self.as_object)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def as_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Make an object; the last of a key wins."""
        return dict(pairs)

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        """Store an event unless it is known."""
        if self.is_away:
            return Answered(503, {"reason": "away"}, {"retry-after": "1"})
        identity = self.identity(request, document)
        if identity in self.seen:
            return Answered(200, {"received": True, "duplicate": True})
        self.seen.add(identity)
        self.stored.append(request.body)
        return Answered(200, {"received": True})

    def identity(self, request: Request, document: dict[str, Any] | None) -> object:
        """Say by what an event is known."""
        event_id = (document or {}).get("id")
        return event_id if isinstance(event_id, str) and event_id else request.body


def _refuse(word: str) -> None:
    raise ValueError(word)
