"""An event and its endpoint's rules in, what becomes of the event out: stored, diverted, dropped.

The first rule that fits decides, and what fits none passes. Nothing is looked for in a body before
a rule asks for it, and no body can make this fail: what cannot be read has no values.

Source: docs/how-to/filter-events.md; RFC 6901, section 4.
"""

import re

import msgspec

from relay.contract.event import Event, IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED
from relay.endpoint import Endpoint
from relay.identify.reading import Inside, inside_of, readable, scalar_of, unpacked
from relay.rule import Rule, comparable

_INDEX = re.compile(r"0|[1-9][0-9]*")


class Fit(msgspec.Struct, frozen=True):
    """What an endpoint's configuration says of an event.

    Args:
        rule: Number of the rule that fits, from 0; or ``accounts`` or ``event_types``, where the
            event is not in that list.
        to: The type under which it is stored; none where it is dropped.
    """

    rule: str
    to: str | None = None


def fitting(event: Event, endpoint: Endpoint) -> Fit | None:
    """Say which part of an endpoint's configuration keeps an event from its usual stream.

    Args:
        event: One event, by its own bytes where its body held several.
        endpoint: Whose it is.

    Returns:
        What fits first: the lists of what is wanted, then the rules in their order. None where
        the event passes.
    """
    if endpoint.accounts and event.account not in endpoint.accounts:
        return Fit("accounts")
    if endpoint.event_types and not any(
        pattern.matches(endpoint.name, event.type) for pattern in endpoint.event_types
    ):
        return Fit("event_types")
    return _first(event, endpoint) if endpoint.filters else None


def diverted(identified: IdentifiedEvent, to: str) -> IdentifiedEvent:
    """Give an event the type that a rule has for it; by its identity it stays the event it is.

    Its own type is kept as `original_type`. The operator chose the new one, so it may begin
    however many others have begun in this hour.

    Args:
        identified: The event.
        to: A type that may name a stream.
    """
    event = identified.event
    own = event.original_type or (None if event.type == UNIDENTIFIED else event.type)
    return msgspec.structs.replace(
        identified,
        event=msgspec.structs.replace(event, type=to, original_type=own),
        max_new_types_per_hour=None,
    )


def _first(event: Event, endpoint: Endpoint) -> Fit | None:
    body = _Body(event.data)
    for number, rule in enumerate(endpoint.filters):
        if _fits(rule, event, endpoint.name, body):
            return Fit(str(number), rule.to)
    return None


def _fits(rule: Rule, event: Event, endpoint: str, body: "_Body") -> bool:
    if rule.accounts and event.account not in rule.accounts:
        return False
    if rule.types and not any(pattern.matches(endpoint, event.type) for pattern in rule.types):
        return False
    return rule.pointer is None or _holds(rule, body.at(rule.pointer))


def _holds(rule: Rule, found: bytes | None) -> bool:
    """Tell whether a rule's condition holds for the JSON that stands where it looks."""
    if rule.values is None:
        return (found is not None) == rule.exists
    value = None if found is None else scalar_of(found)
    return value is not None and comparable(value) in rule.values


class _Body:
    """Gives what stands in an event's body; each object and array of it is read once at most.

    Args:
        data: As it came.
    """

    __slots__ = ("_data", "_plain", "_read")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._plain: bytes | None = None
        self._read: dict[tuple[str, ...], Inside] = {}

    def at(self, pointer: tuple[str, ...]) -> bytes | None:
        """Give the JSON at a place as it stands there, or none where there is nothing."""
        if self._plain is None:
            self._plain = unpacked(self._data)
        if not pointer:
            return readable(self._plain)
        value = self._plain
        for depth, token in enumerate(pointer):
            found = _child(self._inside(pointer[:depth], value), token)
            if found is None:
                return None
            value = found
        return value

    def _inside(self, path: tuple[str, ...], value: bytes) -> Inside:
        if path not in self._read:
            self._read[path] = inside_of(value)
        return self._read[path]


def _child(inside: Inside, token: str) -> bytes | None:
    if isinstance(inside, dict):
        value = inside.get(token)
        return None if value is None else bytes(value)
    if inside is None or not _INDEX.fullmatch(token) or int(token) >= len(inside):
        return None
    return bytes(inside[int(token)])
