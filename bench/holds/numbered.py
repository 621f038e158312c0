"""Deliveries by number: a number in, the bytes of one HTTP request out, made as they are sent.

Each number gives another event, and can be read back from its event id.
"""

import time

from bench.unipile import body_around_id, head, keyed

ENDPOINT = "unipile"
_BEFORE, _BETWEEN, _AFTER = body_around_id()
_KEYED = keyed(ENDPOINT)


def event_id(number: int) -> str:
    """Name an event, in the length of the sender's own ids."""
    return f"evt_bench{number:021d}"


def number_of(name: bytes) -> int:
    """Undo `event_id`."""
    return int(name[9:])


def body(number: int) -> bytes:
    """Make the body of an event."""
    name = event_id(number).encode()
    return b"%b%b%b%b%b" % (_BEFORE, name, _BETWEEN, name, _AFTER)


def request(number: int) -> bytes:
    """Make one delivery, signed now."""
    return signed(body(number))


def signed(sent: bytes) -> bytes:
    """Make a request of a body, signed now."""
    signed_at, digest = b"%d" % time.time(), _KEYED.copy()
    digest.update(b"%b.%b" % (signed_at, sent))
    return head(ENDPOINT.encode(), signed_at, digest.hexdigest().encode(), len(sent)) + sent


def junk(number: int) -> bytes:
    """Make a request that must be refused: signed by nobody, unreadably, or by somebody else."""
    sent, signed_at = body(number), b"%d" % time.time()
    kind = number % 3
    signature = b"0" * 64 if kind == 2 else b"none"
    made = head(ENDPOINT.encode(), signed_at, signature, len(sent)) + sent
    return made.replace(b"unipile-signature:", b"x-other:") if kind == 0 else made
