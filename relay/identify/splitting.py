"""A body that holds several events: its bytes in, the exact bytes of each element out."""

from collections.abc import Iterator

import msgspec

from relay.identify.places import Surroundings
from relay.identify.reading import elements_of, object_of
from relay.provider import Texts, texts

# A sender's largest batches have some thousands; what has more stays in one piece.
MAX_ELEMENTS = 10_000


class Element(msgspec.Struct, frozen=True):
    """One event of several.

    Args:
        data: As it stands in the body.
        surroundings: What it stands in.
    """

    data: bytes
    surroundings: Surroundings


def split(plain: bytes, paths: Texts) -> list[Element]:
    """Cut a body into its events.

    Args:
        plain: The body, unpacked.
        paths: Of the arrays that may hold them, as `relay.provider.Places` says.

    Returns:
        The elements of all of them; nothing where there is none, or where there are too many.
    """
    elements: list[Element] = []
    for path in texts(paths):
        for parent, data in _elements(plain, plain, path.split(".")):
            if len(elements) == MAX_ELEMENTS:
                return []
            elements.append(Element(data, Surroundings(parent, plain)))
    return elements


def _elements(value: bytes, parent: bytes, steps: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """Give each element that the steps lead to, behind the object with its array."""
    if not steps:
        yield parent, value
        return
    step, *rest = steps
    key, array, _ = step.partition("[]")
    inner = value
    if key:
        found = object_of(value).get(key)
        if found is None:
            return
        inner = bytes(found)
    if not array:
        yield from _elements(inner, inner, rest)
        return
    holder = value if key else parent
    for element in elements_of(inner) or ():
        yield from _elements(element, holder if not rest else element, rest)
