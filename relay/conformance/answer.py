"""What a receiver answered, read from bytes that may be anything."""

import errno
import json
import re
from dataclasses import dataclass, field

from relay.conformance.verdict import NotJudged
from relay.contract.printable import printable

MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or the lack of one.

    Args:
        status: HTTP status; 0 where there was no answer.
        headers: Names in lower case with their values, in order.
        body: What followed.
        fate: Why there was no answer, in a few words; empty where there was one.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    fate: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the sender will take the delivery for received."""
        return 200 <= self.status < 300

    @property
    def try_later(self) -> bool:
        """Whether the receiver says that it cannot take this now, and when it might."""
        return self.status in {429, 503} and self.header("retry-after") is not None

    @property
    def refused(self) -> bool:
        """Whether the delivery was refused for what it is."""
        return 400 <= self.status < 500 and self.status not in {408, 425, 429}

    @property
    def closed(self) -> bool:
        """Whether the connection ended without an answer."""
        return self.fate == CLOSED

    @property
    def unreached(self) -> bool:
        """Whether there was not even a connection."""
        return self.fate.startswith(UNREACHED)

    @property
    def says_duplicate(self) -> bool:
        """Whether the receiver says, as the relay does, that it knew the event already."""
        return self.said("duplicate") is True

    def said(self, key: str) -> object:
        """Give a value of the answer, where it is a JSON object."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return document.get(key) if isinstance(document, dict) else None

    @property
    def pause_seconds(self) -> float | None:
        """How long the receiver wants to be left alone, where it says so in seconds."""
        said = self.header("retry-after") or ""
        return float(said) if _LENGTH.fullmatch(said) else None

    def header(self, name: str) -> str | None:
        """Give the first value of a header."""
        return next((value for key, value in self.headers if key == name), None)

    def shown(self) -> str:
        """Say it in a few words that are safe to print."""
        if self.fate:
            return self.fate
        reason = self.said("reason")
        return f"{self.status} ({printable(reason, MAX_SHOWN)})" if reason else str(self.status)


CLOSED = "the connection was closed without an answer"
GARBLED = "an answer that is no HTTP"
SILENT = "no answer within {:g} s"
UNREACHED = "no connection: "


# Python reads much more as a number: signs, spaces, digits of other scripts.
_STATUS = re.compile(r"HTTP/[^ ]* ([0-9]{3})")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")

# Of our own system: they say nothing of the receiver.
_OWN_LIMITS = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS}


def unreached(error: OSError) -> Answer:
    """Make what stands for an answer where there was no connection.

    Raises:
        NotJudged: This machine has no more of what connections take.
    """
    if error.errno in _OWN_LIMITS:
        raise NotJudged(f"this machine can open no more connections: {error.strerror}") from None
    said = "it took too long" if isinstance(error, TimeoutError) else error.strerror or error
    return Answer(0, fate=UNREACHED + printable(said))


class Incomplete(Exception):
    """More bytes are needed."""


def take_answer(data: bytearray, *, ended: bool, bodiless: bool = False) -> Answer:
    """Take the first whole answer from the front of what came.

    Args:
        data: What came; the answer is removed from it.
        ended: Whether nothing more can come.
        bodiless: The request was a HEAD.

    Raises:
        Incomplete: It is not whole yet.
    """
    while True:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if data and not b"HTTP/".startswith(bytes(data[:5])):
                return Answer(0, fate=GARBLED)
            raise Incomplete
        answer = _head(bytes(data[:end]))
        if answer.fate or not 100 <= answer.status < 200:
            break
        del data[: end + 4]
    if answer.fate:
        return answer
    bare = bodiless or answer.status in {204, 304}
    body, length = (b"", 0) if bare else _body(answer, data, end + 4, ended=ended)
    del data[: end + 4 + length]
    return Answer(answer.status, answer.headers, body)


def _head(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.match(first)
    if status is None:
        return Answer(0, fate=GARBLED)
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return Answer(0, fate=GARBLED)
        headers.append((name.lower(), value.strip()))
    return Answer(int(status[1]), tuple(headers))


def _body(answer: Answer, data: bytearray, start: int, *, ended: bool) -> tuple[bytes, int]:
    """Give the body, and how many bytes it took."""
    if "chunked" in (answer.header("transfer-encoding") or "").lower():
        return _chunks(data, start)
    length = answer.header("content-length")
    if length is None:
        if not ended:
            raise Incomplete
        return bytes(data[start:]), len(data) - start
    size = int(length) if _LENGTH.fullmatch(length) else 0
    if len(data) - start < size:
        raise Incomplete
    return bytes(data[start : start + size]), size


def _chunks(data: bytearray, start: int) -> tuple[bytes, int]:
    body, at = bytearray(), start
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            raise Incomplete
        written = bytes(data[at:end]).partition(b";")[0].rstrip(b" \t")
        if not _CHUNK_SIZE.fullmatch(written):
            return bytes(body), len(data) - start
        size = int(written, 16)
        if len(data) < end + 2 + size + 2:
            raise Incomplete
        body += data[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
        if not size:
            return bytes(body), at - start
