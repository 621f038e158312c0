"""Entry in, the name of its lane out: what it shares with the entries that it must follow.

Entries without a key share a lane as well: they keep their order, at worst for nothing.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import structlog

from consumers.calling.payload import parse_pointer
from consumers.event import Event
from consumers.worker import ORDER_ATTRIBUTES, OrderBy
from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry

# 64 bits: lanes that meet by chance wait for each other, and nothing worse.
NAME_BYTES = 8

LaneOf = Callable[[str, Mapping[bytes, bytes]], str]

_log = structlog.get_logger("consumers.order")


def lane_of(order_by: OrderBy) -> LaneOf:
    """Make the function that names an entry's lane.

    Args:
        order_by: An attribute of `ORDER_ATTRIBUTES`, a JSON pointer into the body, or a function.

    Returns:
        Takes an entry's id and fields, and never raises.
    """
    if isinstance(order_by, str) and order_by in ORDER_ATTRIBUTES:
        field = order_by.encode()
        return lambda _, fields: _name(fields.get(field, b""))
    key_of = _given_by(order_by) if callable(order_by) else _pointed_at(order_by)
    complained = False

    def name(entry_id: str, fields: Mapping[bytes, bytes]) -> str:
        nonlocal complained
        try:
            key = key_of(Event(decode(fields), entry_id=entry_id, attempt=1))
            # Within: Python writes out no number of more than 4,300 digits.
            text = "" if key is None else str(key)
        except UnreadableEntry:
            return _name(b"")
        except Exception as error:  # noqa: BLE001 - the edge: a user's function may raise anything
            if not complained:
                complained = True
                _log.error("order_key_failed", error=type(error).__name__)
            return _name(b"")
        return _name(text.encode("utf-8", "replace"))

    return name


def _name(key: bytes) -> str:
    return blake2b(key, digest_size=NAME_BYTES).hexdigest()


def _given_by(function: Callable[[Event], object]) -> Callable[[Event], str | int | None]:
    """Make a user's function one that raises where it gives no key.

    Written out as a text, another object might be told by its place in memory: each event would
    have a key of its own, and the order be lost without a word.
    """

    def key_of(event: Event) -> str | int | None:
        key = function(event)
        if key is not None and not isinstance(key, str | int):
            raise TypeError("order_by gave neither a text nor a number")
        return key

    return key_of


def _pointed_at(pointer: str) -> Callable[[Event], Any]:
    """Make the function that follows a JSON pointer into an event's body.

    Source: RFC 6901.
    """
    steps = parse_pointer(pointer)

    def follow(event: Event) -> Any:  # noqa: ANN401 - whatever stands there
        try:
            found = event.json()
        except ValueError:
            return None
        for step in steps:
            if isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found

    return follow
