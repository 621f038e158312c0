"""One rule of an endpoint's filters: which events it means, and what becomes of them.

Source: RFC 6901, sections 3 and 4.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from relay.contract.patterns import Pattern

Scalar = str | int | float | bool
# A value beside its kind: Python takes true for 1, JSON does not.
Comparable = tuple[str, Scalar]

# As much as anyone writes, and less than any number that Python would not read as an index.
MAX_POINTER_CHARACTERS = 1000

_ESCAPE = re.compile(r"~(.?)", re.DOTALL)
_ESCAPED = {"0": "~", "1": "/"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; an event fits it that fits everything that it says.

    Args:
        pointer: Where in the body it looks, from the outermost key; none where it does not.
        values: What may stand there; none where it only matters whether anything does.
        exists: Whether something must stand there, where any value will do.
        types: Patterns of which the event's type must match one; empty means any type.
        accounts: The event's account must be one of them; empty means any, or none.
        to: The type under which the event is stored; none where it is dropped.
    """

    pointer: tuple[str, ...] | None = None
    values: frozenset[Comparable] | None = None
    exists: bool = True
    types: tuple[Pattern, ...] = ()
    accounts: frozenset[str] = frozenset()
    to: str | None = None


def comparable(value: Scalar) -> Comparable:
    """Give a value so that it equals what JSON holds for equal, and nothing of another kind."""
    if isinstance(value, bool):
        return "boolean", value
    return "text" if isinstance(value, str) else "number", value


def comparables(values: Iterable[Scalar]) -> frozenset[Comparable]:
    """Give several of them."""
    return frozenset(map(comparable, values))


def parse_pointer(text: str) -> tuple[str, ...]:
    """Read a JSON pointer.

    Args:
        text: Empty for the whole body, else keys and indexes with a slash before each.

    Raises:
        ValueError: It is none; the message says what to write.

    Source: RFC 6901, sections 3 and 4.
    """
    if len(text) > MAX_POINTER_CHARACTERS:
        raise ValueError(f"a JSON pointer of at most {MAX_POINTER_CHARACTERS} characters")
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError(
            'a JSON pointer begins with a slash, for example "/payload/is_sender"; '
            'only the whole body is ""'
        )
    return tuple(_ESCAPE.sub(_unescaped, token) for token in text[1:].split("/"))


def _unescaped(found: re.Match[str]) -> str:
    if found[1] not in _ESCAPED:
        raise ValueError("in a JSON pointer ~ is written ~0, and a slash within a key ~1")
    return _ESCAPED[found[1]]
