"""One call of the append script: waiting events in, one verdict per event out."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.contract.entry import encode
from relay.contract.errors import StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED, Keys
from relay.contract.script import Call, Script

SCRIPT = Script("relay.append", "append")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event with everything that its script call needs.

    Args:
        tag: Which script call it belongs to.
        keys: Its stream and its place in the index.
        arguments: What the script takes for it.
        size_bytes: Length of the arguments, for bounding a batch.
    """

    tag: str
    keys: tuple[str, str]
    arguments: tuple[str | bytes | int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event.

    Args:
        result: What the caller is told.
        registered: The type whose stream this event began, if it did.
        misplaced: The event went to ``unidentified`` because the tag has too many types.
        is_news: There is more to report than that an event was appended.
    """

    result: Appended | Duplicate | TryLater
    registered: str | None = None
    misplaced: bool = False
    is_news: bool = True


def prepare(identified: IdentifiedEvent, keys: Keys) -> Prepared:
    """Lay out an event for the script."""
    event, tag = identified.event, identified.tag
    unproved = event.assurance == "none"
    seen = (keys.seen_none if unproved else keys.seen)(tag, _digest(identified.identity))
    fields = encode(event)
    arguments = (
        event.type,
        1000 * identified.window_seconds,
        hashlib.blake2b(event.data, digest_size=4).hexdigest(),
        identified.max_types,
        "0" if unproved else "1",
        len(fields),
        *fields,
    )
    size_bytes = sum(len(field) for field in fields)
    return Prepared(tag, (keys.stream(tag, event.type), seen), arguments, size_bytes)


def call_arguments(tag: str, batch: Sequence[Prepared], keys: Keys) -> Call:
    """Give keys and arguments of the call that appends a batch of one tag."""
    names = [keys.streams(tag), keys.stream(tag, UNIDENTIFIED)]
    values: list[Any] = []
    for event in batch:
        names += event.keys
        values += event.arguments
    return names, values


def read_verdict(reply: bytes) -> Verdict:
    """Read what the script says of one event."""
    code, rest = reply[:1], reply[2:].decode("utf-8", "replace")
    if code == b"A" and " " not in rest:
        return Verdict(Appended(rest), is_news=False)
    if code == b"E":
        return Verdict(refusal(rest))
    entry_id, _, registered = rest.partition(" ")
    if code in b"DC":
        return Verdict(Duplicate(entry_id, changed_body=code == b"C"))
    return Verdict(Appended(entry_id), registered or None, misplaced=code == b"U")


def refusal(message: str) -> TryLater:
    """Sort an error of the store by what the sender should be told."""
    # Redis 6.2 puts the place in the script before the word.
    if re.search(r"(?:^|-)OOM ", message):
        return StoreFull(message)
    return StoreUnavailable(message)


def _digest(identity: bytes) -> str:
    """Shorten an identity to 128 bits.

    Ids are the sender's text: without a bound in length, and at times personal.
    """
    digest = hashlib.blake2b(identity, digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
