"""Signed deliveries for one round: a shape in, a file of distinct requests out.

All requests of a file have the same length and the same text but for endpoint, signature and
event id. So the file holds the text once and those three for each request: a sender puts them
together as fast as it could copy them, and 200,000 requests take 20 MB.
"""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.unipile import DIGEST_BYTES, ID_BYTES, USUAL_BYTES, body_around_id, head, keyed

_ENDPOINT_PLACE, _DIGEST_PLACE = b"{endpoint}", b"{digest}"
_FORM = "webhook-deliveries-1"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the deliveries of a round look like.

    Args:
        body_bytes: Length of every body, 512 or more.
        duplicate_share: How many of the requests repeat an earlier one, 0 to 1.
        endpoints: Over how many endpoints they are spread.
    """

    body_bytes: int = USUAL_BYTES
    duplicate_share: float = 0.0
    endpoints: int = 1


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The requests of one round.

    Args:
        path: The file, as it is given to senders.
        pieces: The text around endpoint, signature and the two places of the id.
        records: Endpoint, signature and id of each request, one after another.
        endpoint_bytes: Length of an endpoint's name.
        count: How many requests there are.
    """

    path: Path
    pieces: tuple[bytes, ...]
    records: bytes
    endpoint_bytes: int
    count: int

    @property
    def record_bytes(self) -> int:
        """How long a record is."""
        return self.endpoint_bytes + DIGEST_BYTES + ID_BYTES

    def request(self, number: int) -> bytes:
        """Give one request as it goes over the wire."""
        at, size = number * self.record_bytes, self.record_bytes
        record = self.records[at : at + size]
        endpoint, rest = record[: self.endpoint_bytes], record[self.endpoint_bytes :]
        signature, event_id = rest[:DIGEST_BYTES], rest[DIGEST_BYTES:]
        first, second, third, fourth, last = self.pieces
        return b"".join(
            (first, endpoint, second, signature, third, event_id, fourth, event_id, last)
        )

    def event_id(self, number: int) -> bytes:
        """Give the event id of one request."""
        end = (number + 1) * self.record_bytes
        return self.records[end - ID_BYTES : end]

    def distinct(self, upto: int) -> set[bytes]:
        """Give the event ids of the requests before a number."""
        return {self.event_id(number) for number in range(min(upto, self.count))}


def endpoint_names(count: int) -> list[str]:
    """Name the endpoints of a run, all equally long."""
    return ["unipile"] if count == 1 else [f"unipile-{number:02}" for number in range(count)]


def write(path: Path, shape: Shape, count: int, *, age_seconds: int = 0) -> Deliveries:
    """Sign fresh deliveries and write them to a file.

    No event id is ever used by two files. Repeats have the same bytes as the first, as a
    sender's retry has, and follow it at a distance drawn at random, the same in every run.

    Args:
        path: The file.
        shape: What they look like.
        count: How many.
        age_seconds: How long ago they were signed.
    """
    names, seed = endpoint_names(shape.endpoints), os.urandom(5).hex()
    signed_at = str(int(time.time()) - age_seconds).encode()
    before, between, after = body_around_id(shape.body_bytes)
    records: list[bytes] = []
    chance = random.Random(shape.endpoints)
    keys = [keyed(name) for name in names]
    for number in range(count):
        if records and chance.random() < shape.duplicate_share:
            records.append(records[chance.randrange(len(records))])
            continue
        event_id = b"evt_%s%016d" % (seed.encode(), number)
        key = keys[number % len(keys)].copy()
        key.update(b"".join((signed_at, b".", before, event_id, between, event_id, after)))
        endpoint = names[number % len(names)]
        records.append(b"%s%s%s" % (endpoint.encode(), key.hexdigest().encode(), event_id))
    pieces = _pieces(signed_at, (before, between, after))
    made = Deliveries(path, pieces, b"".join(records), len(names[0]), count)
    _save(made)
    return made


def read(path: Path) -> Deliveries:
    """Read a file back.

    Raises:
        ValueError: It is not one of ours.
    """
    head, _, rest = path.read_bytes().partition(b"\n")
    form, *numbers = head.decode().split(" ")
    if form != _FORM:
        raise ValueError(f"{path} does not begin with {_FORM}: make it with bench.deliveries.write")
    endpoint_bytes, count, *lengths = map(int, numbers)
    pieces = []
    for length in lengths:
        pieces.append(rest[:length])
        rest = rest[length:]
    return Deliveries(path, tuple(pieces), rest, endpoint_bytes, count)


def split(request: bytes) -> tuple[dict[str, str], bytes]:
    """Take a request apart again: headers with names in lower case, and body."""
    head, _, body = request.partition(b"\r\n\r\n")
    return dict(_headers(head)), body


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        yield name.lower(), value


def _pieces(signed_at: bytes, body: tuple[bytes, bytes, bytes]) -> tuple[bytes, ...]:
    """Give the text around endpoint, signature and the two places of the id."""
    before, between, after = body
    body_bytes = sum(map(len, body)) + 2 * ID_BYTES
    made = head(_ENDPOINT_PLACE, signed_at, _DIGEST_PLACE, body_bytes)
    first, _, rest = made.partition(_ENDPOINT_PLACE)
    second, _, third = rest.partition(_DIGEST_PLACE)
    return first, second, third + before, between, after


def _save(made: Deliveries) -> None:
    numbers = (made.endpoint_bytes, made.count, *(len(piece) for piece in made.pieces))
    head = f"{_FORM} {' '.join(map(str, numbers))}\n".encode()
    made.path.write_bytes(b"".join((head, *made.pieces, made.records)))
