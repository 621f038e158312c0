"""Signed deliveries for one round: a shape in, a file of distinct requests out.

All requests of a file have the same length and the same text but for endpoint, signature and
event id. So the file holds the text once and those three for each request: a sender puts them
together as fast as it could copy them, and 200,000 requests take 20 MB. In which order the three
stand in a request, and how often, is the matter of its sender.
"""

import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.forms import ENDPOINT_PLACE, FORMS, ID_PLACE, SIGNATURE_PLACE
from bench.unipile import ID_BYTES, USUAL_BYTES, keyed

_FORM = "webhook-deliveries-2"
# What stands between two pieces of text, by its letter in the file.
_PLACES = {"e": ENDPOINT_PLACE, "s": SIGNATURE_PLACE, "i": ID_PLACE}
_LETTERS = {place: letter for letter, place in _PLACES.items()}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the deliveries of a round look like.

    Args:
        body_bytes: Length of every body, 512 or more.
        duplicate_share: How many of the requests repeat an earlier one, 0 to 1.
        endpoints: Over how many endpoints they are spread.
        sender: Whose they are.
    """

    body_bytes: int = USUAL_BYTES
    duplicate_share: float = 0.0
    endpoints: int = 1
    sender: str = "unipile"


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The requests of one round.

    Args:
        path: The file, as it is given to senders.
        pieces: The text around what differs.
        order: What stands between two pieces, a letter each: ``e`` the endpoint, ``s`` the
            signature, ``i`` the id.
        records: Endpoint, signature and id of each request, one after another.
        endpoint_bytes: Length of an endpoint's name.
        signature_bytes: Length of a signature.
        count: How many requests there are.
    """

    path: Path
    pieces: tuple[bytes, ...]
    order: str
    records: bytes
    endpoint_bytes: int
    signature_bytes: int
    count: int

    @property
    def record_bytes(self) -> int:
        """How long a record is."""
        return self.endpoint_bytes + self.signature_bytes + ID_BYTES

    def request(self, number: int) -> bytes:
        """Give one request as it goes over the wire."""
        at, size = number * self.record_bytes, self.record_bytes
        record = self.records[at : at + size]
        endpoint, rest = record[: self.endpoint_bytes], record[self.endpoint_bytes :]
        signature, event_id = rest[: self.signature_bytes], rest[self.signature_bytes :]
        put = {"e": endpoint, "s": signature, "i": event_id}
        between = [*(put[letter] for letter in self.order), b""]
        return b"".join(part for pair in zip(self.pieces, between, strict=True) for part in pair)

    def event_id(self, number: int) -> bytes:
        """Give the event id of one request."""
        end = (number + 1) * self.record_bytes
        return self.records[end - ID_BYTES : end]

    def distinct(self, upto: int) -> set[bytes]:
        """Give the event ids of the requests before a number."""
        return {self.event_id(number) for number in range(min(upto, self.count))}


def endpoint_names(count: int, sender: str = "unipile") -> list[str]:
    """Name the endpoints of a sender, all equally long."""
    return [sender] if count == 1 else [f"{sender}-{number:02}" for number in range(count)]


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
    names, seed = endpoint_names(shape.endpoints, shape.sender), os.urandom(5).hex()
    signed_at = str(int(time.time()) - age_seconds).encode()
    form = FORMS[shape.sender]
    body = form.body(shape.body_bytes)
    message = form.message(signed_at, body).split(ID_PLACE)
    records: list[bytes] = []
    chance = random.Random(shape.endpoints)
    keys = [keyed(name) for name in names]
    for number in range(count):
        if records and chance.random() < shape.duplicate_share:
            records.append(records[chance.randrange(len(records))])
            continue
        event_id = b"evt_%s%016d" % (seed.encode(), number)
        key = keys[number % len(keys)].copy()
        key.update(event_id.join(message))
        endpoint, signature = names[number % len(names)], form.encoding(key.digest())
        records.append(b"%s%s%s" % (endpoint.encode(), signature, event_id))
    pieces, order = _parted(form.request(signed_at, body))
    made = Deliveries(
        path, pieces, order, b"".join(records), len(names[0]), form.signature_bytes, count
    )
    _save(made)
    return made


def read(path: Path) -> Deliveries:
    """Read a file back.

    Raises:
        ValueError: It is not one of ours.
    """
    head, _, rest = path.read_bytes().partition(b"\n")
    form, *said = head.decode().split(" ")
    if form != _FORM:
        raise ValueError(f"{path} does not begin with {_FORM}: make it with bench.deliveries.write")
    order, *numbers = said
    endpoint_bytes, signature_bytes, count, *lengths = map(int, numbers)
    pieces = []
    for length in lengths:
        pieces.append(rest[:length])
        rest = rest[length:]
    return Deliveries(path, tuple(pieces), order, rest, endpoint_bytes, signature_bytes, count)


def split(request: bytes) -> tuple[dict[str, str], bytes]:
    """Take a request apart again: headers with names in lower case, and body."""
    head, _, body = request.partition(b"\r\n\r\n")
    return dict(_headers(head)), body


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        yield name.lower(), value


def _parted(request: bytes) -> tuple[tuple[bytes, ...], str]:
    """Give the text around the places of a request, and the order of these."""
    parts = re.split(b"(%b)" % b"|".join(_LETTERS), request)
    return tuple(parts[::2]), "".join(_LETTERS[place] for place in parts[1::2])


def _save(made: Deliveries) -> None:
    lengths = (len(piece) for piece in made.pieces)
    numbers = (made.endpoint_bytes, made.signature_bytes, made.count, *lengths)
    head = f"{_FORM} {made.order} {' '.join(map(str, numbers))}\n".encode()
    made.path.write_bytes(b"".join((head, *made.pieces, made.records)))
