"""Receivers with one fault each, by the check that is to find it."""

import asyncio
import gzip
import json
import re
import time
import zlib
from collections.abc import Callable
from typing import Any

from tests.conformance.receiver import (
    MAX_BODY_BYTES,
    PATH,
    TYPES,
    Answered,
    Receiver,
    Refused,
    Request,
)

FAULTS: dict[str, type[Receiver]] = {}
UNPACKED_BYTES = 1024 * 1024


def found_by(check: str) -> Callable[[type[Receiver]], type[Receiver]]:
    """Say which check is to find a receiver's fault."""

    def add(kind: type[Receiver]) -> type[Receiver]:
        FAULTS[check] = kind
        return kind

    return add


@found_by("plain")
class RefusesAll(Receiver):
    """Has another secret than it should."""

    secrets = ("something else",)


@found_by("wrong-secret")
class TakesAnySecret(Receiver):
    """Takes what somebody else signed."""

    def verify(self, request: Request) -> None:
        if not request.is_of("wrong-secret"):
            super().verify(request)


@found_by("empty-secret")
class HasAnEmptySecret(Receiver):
    """One of its secrets was not configured."""

    secrets = (*Receiver.secrets, "")


@found_by("no-signature")
class TakesUnsigned(Receiver):
    """Verifies only where there is something to verify."""

    def verify(self, request: Request) -> None:
        if request.all("unipile-signature"):
            super().verify(request)


class Remembers(Receiver):
    """Remembers signatures that were good, and the length of what they signed."""

    def __init__(self) -> None:
        super().__init__()
        self.good: dict[str, int] = {}

    def may_pass(self, length: int, remembered: int) -> bool:
        """Say whether a delivery is not verified again."""
        return length == remembered

    def verify(self, request: Request) -> None:
        header, length = request.get("unipile-signature"), len(request.body)
        if header in self.good and self.may_pass(length, self.good[header]):
            return
        super().verify(request)
        self.good[header] = length


@found_by("tampered-body")
class RemembersLengths(Remembers):
    """Does not verify again what has a good signature and the same length."""


@found_by("foreign-body")
class PassesShortBodies(Remembers):
    """Does not verify again what has a good signature and is shorter."""

    def may_pass(self, length: int, remembered: int) -> bool:
        return length < remembered


@found_by("reformatted-body")
class VerifiesParsed(Receiver):
    """Verifies the body as it would write it itself."""

    def matches(self, at: str, signatures: list[str], request: Request) -> bool:
        if super().matches(at, signatures, request):
            return True
        document = self.parse(request.body)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        written = Request("POST", PATH, [], text.encode("utf-8", "replace"))
        return super().matches(at, signatures, written)


@found_by("truncated-signature")
class ComparesWhatThereIs(Receiver):
    """Compares as many digits as came."""

    def same(self, expected: str, signature: str) -> bool:
        return bool(signature) and super().same(expected[: len(signature)], signature)


@found_by("malformed-signature")
class TrustsTheForm(Receiver):
    """Takes for granted that a time is a number."""

    def verify(self, request: Request) -> None:
        if "t=now" in request.get("unipile-signature"):
            raise Refused(500)
        super().verify(request)


@found_by("two-signatures")
class LooksAtTheFirst(Receiver):
    """Looks at the first signature only."""

    def matches(self, at: str, signatures: list[str], request: Request) -> bool:
        return super().matches(at, signatures[:1], request)


@found_by("second-secret")
class HasOneSecret(Receiver):
    """Has one secret only."""

    secrets = Receiver.secrets[:1]


@found_by("stale-timestamp")
class TakesOld(Receiver):
    """Looks only whether a time is too new."""

    def judge_age(self, age_seconds: float) -> None:
        super().judge_age(min(age_seconds, 0))


@found_by("future-timestamp")
class TakesNew(Receiver):
    """Looks only whether a time is too old."""

    def judge_age(self, age_seconds: float) -> None:
        super().judge_age(max(age_seconds, 0))


@found_by("skewed-clock")
class TrustsItsClock(Receiver):
    """Takes nothing from a clock that is ahead of its own."""

    def judge_age(self, age_seconds: float) -> None:
        if age_seconds < -2:
            raise Refused(401)
        super().judge_age(age_seconds)


@found_by("tampered-timestamp")
class AllowsForLateness(Receiver):
    """Takes a time that is nearly the one that was signed."""

    def matches(self, at: str, signatures: list[str], request: Request) -> bool:
        times = (at, str(int(at) - 30))
        return any(super(AllowsForLateness, self).matches(t, signatures, request) for t in times)


@found_by("reordered")
class WantsOrder(Receiver):
    """Refuses what is older than the newest."""

    newest = ""

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        at = str((document or {}).get("created_at", ""))
        half_an_hour = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 1800))
        if at and at < half_an_hour < self.newest:
            raise Refused(409)
        self.newest = max(self.newest, at)
        return await super().keep(request, document)


@found_by("duplicates-at-once")
class LooksAndThenStores(Receiver):
    """Gives the loop a turn between looking an id up and remembering it."""

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        if self.identity(request, document) not in self.seen:
            await asyncio.sleep(0.02)
            self.seen.discard(self.identity(request, document))
        return await super().keep(request, document)


@found_by("duplicates-later")
class KnowsSignatures(Receiver):
    """Knows a delivery by its signature, which a retry has anew."""

    def identity(self, request: Request, document: dict[str, Any] | None) -> object:
        return request.get("unipile-signature")


@found_by("unknown-types")
class KnowsItsTypes(Receiver):
    """Refuses types that it has no handler for."""

    def parse(self, body: bytes) -> dict[str, Any] | None:
        document = super().parse(body)
        said = (document or {}).get("type")
        if isinstance(said, str) and said not in TYPES:
            raise Refused(400)
        return document


@found_by("hostile-ids")
class SaysTheId(Receiver):
    """Puts the id into a header as it came."""

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        answered = await super().keep(request, document)
        event_id = (document or {}).get("id")
        if isinstance(event_id, str):
            answered.headers["event-id"] = event_id
        return answered


@found_by("odd-ids")
class WantsTextForAnId(Receiver):
    """Takes for granted that an id is text."""

    def identity(self, request: Request, document: dict[str, Any] | None) -> object:
        if document is not None and not isinstance(document.get("id"), str):
            raise Refused(500)
        return super().identity(request, document)


@found_by("not-json")
class WantsJson(Receiver):
    """Takes for granted that a body is JSON."""

    def parse(self, body: bytes) -> dict[str, Any] | None:
        try:
            json.loads(body)
        except json.JSONDecodeError:
            if body:
                raise Refused(500) from None
        except (ValueError, RecursionError):
            return None
        return super().parse(body)


@found_by("bad-text")
class WantsUtf8(Receiver):
    """Takes for granted that a body is UTF-8."""

    def parse(self, body: bytes) -> dict[str, Any] | None:
        try:
            body.removeprefix(b"\xef\xbb\xbf").decode()
        except UnicodeDecodeError:
            if body.startswith(b"{"):
                raise Refused(500) from None
        return super().parse(body)


@found_by("repeated-keys")
class WantsKeysOnce(Receiver):
    """Takes for granted that a key stands once."""

    def as_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise Refused(500)
        return super().as_object(pairs)


@found_by("chunked-body")
class WantsALength(Receiver):
    """Takes no body without a length."""

    def framing(self, request: Request) -> int | None:
        length = super().framing(request)
        if length is None:
            raise Refused(411, is_last=True)
        return length


@found_by("expect-continue")
class LetsNobodyGoOn(Receiver):
    """Does not know what Expect means."""

    def framing(self, request: Request) -> int | None:
        if request.get("expect"):
            raise Refused(417, is_last=True)
        return super().framing(request)


@found_by("large-body")
class HasALowerLimit(Receiver):
    """Takes a little less than it says."""

    max_body_bytes = MAX_BODY_BYTES - 1


@found_by("huge-body")
class HasNoLimit(Receiver):
    """Takes bodies of any length."""

    max_body_bytes = 10 * MAX_BODY_BYTES


@found_by("packed-body")
class TakesNothingPacked(Receiver):
    """Refuses what is packed."""

    def verify(self, request: Request) -> None:
        if request.get("content-encoding"):
            raise Refused(415)
        super().verify(request)


@found_by("signed-before-packing")
class UnpacksFirst(Receiver):
    """Also verifies what was in a packed body."""

    def matches(self, at: str, signatures: list[str], request: Request) -> bool:
        if super().matches(at, signatures, request):
            return True
        if request.get("content-encoding") != "gzip":
            return False
        unpacker = zlib.decompressobj(wbits=31)
        plain = unpacker.decompress(request.body, UNPACKED_BYTES)
        return super().matches(at, signatures, Request("POST", PATH, [], plain))


@found_by("packed-bomb")
class UnpacksAll(Receiver):
    """Unpacks whatever comes, and runs out of memory."""

    def parse(self, body: bytes) -> dict[str, Any] | None:
        if body.startswith(b"\x1f\x8b") and len(gzip.decompress(body)) > UNPACKED_BYTES:
            raise Refused(500)
        return super().parse(body)


@found_by("empty-body")
class WantsABody(Receiver):
    """Takes for granted that there is a body."""

    def parse(self, body: bytes) -> dict[str, Any] | None:
        if not body:
            raise Refused(500)
        return super().parse(body)


@found_by("media-types")
class WantsJsonByName(Receiver):
    """Refuses other content types."""

    def verify(self, request: Request) -> None:
        if not request.get("content-type").lower().startswith("application/json"):
            raise Refused(415)
        super().verify(request)


@found_by("slow-sender")
class IsHasty(Receiver):
    """Gives a request too little time."""

    slow_seconds = 2.0

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
        try:
            async with asyncio.timeout(self.slow_seconds / 2):
                return await super().read(reader, writer)
        except TimeoutError:
            raise Refused(400, is_last=True) from None


@found_by("stalled-senders")
class ReadsOneAtATime(Receiver):
    """Reads one request after another."""

    patience_seconds = 1.5

    def __init__(self) -> None:
        super().__init__()
        self.reading = asyncio.Semaphore(10)

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
        async with self.reading:
            return await super().read(reader, writer)


@found_by("cut-connections")
class RemembersWhatItNeverGot(Receiver):
    """Marks an id as known before the event is whole."""

    def broken_off(self, partial: bytes) -> None:
        if found := re.match(rb'\{"id":"([^"]+)"', partial):
            self.seen.add(found[1].decode())


@found_by("kept-connection")
class TiresOfAConnection(Receiver):
    """Fails at the fourth request of a connection."""

    async def take(self, request: Request) -> Answered:
        if request.number == 4:
            raise Refused(500)
        return await super().take(request)


@found_by("pipelined")
class TrustsConnections(Receiver):
    """Verifies the first request of a connection only."""

    def verify(self, request: Request) -> None:
        if not request.is_trusted:
            super().verify(request)


@found_by("smuggled-request")
class PrefersChunks(Receiver):
    """Passes over a length where there are chunks."""

    def framing(self, request: Request) -> int | None:
        if request.all("content-length") and request.all("transfer-encoding") == ["chunked"]:
            return None
        return super().framing(request)


@found_by("two-lengths")
class PrefersTheFirstLength(Receiver):
    """Passes over a second length."""

    def framing(self, request: Request) -> int | None:
        if len(lengths := request.all("content-length")) > 1:
            return self.length(lengths[0])
        return super().framing(request)


@found_by("bad-lengths")
class TakesASign(Receiver):
    """Reads a length as Python reads a number."""

    def length(self, text: str) -> int:
        return super().length(text.removeprefix("+"))


@found_by("bad-chunks")
class TakesAPrefix(Receiver):
    """Reads a chunk's size as Python reads a hexadecimal number."""

    def chunk_size(self, text: bytes) -> int:
        return super().chunk_size(text.removeprefix(b"0x"))


@found_by("bad-heads")
class TrustsHeads(Receiver):
    """Takes for granted that a head is HTTP."""

    def parse_head(self, head: bytes) -> Request:
        try:
            return super().parse_head(head)
        except Refused:
            raise Refused(500, is_last=True) from None


@found_by("unknown-path")
class TakesAnyPath(Receiver):
    """Has no paths."""

    async def judge_head(self, request: Request) -> None:
        request.path = PATH
        await super().judge_head(request)


@found_by("wrong-method")
class TakesAnyMethod(Receiver):
    """Takes deliveries by PUT too."""

    async def judge_head(self, request: Request) -> None:
        if request.method != "PUT":
            await super().judge_head(request)


@found_by("head-request")
class AnswersAHead(Receiver):
    """Sends a body with the answer to a HEAD."""

    def body_for(self, method: str, body: bytes) -> bytes:
        return body


@found_by("prompt")
class TakesItsTime(Receiver):
    """Works before it answers."""

    patience_seconds = 1.5

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        if request.is_of("prompt"):
            await asyncio.sleep(self.patience_seconds * 1.2)
        return await super().keep(request, document)


@found_by("silent")
class SaysWhatItExpected(Receiver):
    """Helps whoever debugs, and whoever attacks."""

    def matches(self, at: str, signatures: list[str], request: Request) -> bool:
        if super().matches(at, signatures, request):
            return True
        raise Refused(401, f"expected {self.expected(self.secrets[0], at, request.body)}")


@found_by("own-trouble")
class BlamesTheSender(Receiver):
    """Answers 400 where it is its own fault."""

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        if self.is_away:
            raise Refused(400)
        return await super().keep(request, document)


@found_by("many-at-once")
class BreaksUnderLoad(Receiver):
    """Has room for seventy."""

    async def take(self, request: Request) -> Answered:
        if self.connections > 70:
            raise Refused(500)
        return await super().take(request)
