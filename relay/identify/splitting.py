"""A body that holds several events: its bytes in, the exact bytes of each element out."""

import codecs
from collections.abc import Iterator

import msgspec

from relay.identify.places import Around, Surroundings
from relay.identify.reading import elements_of, is_json, marked, object_of
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
    whole = plain.removeprefix(codecs.BOM_UTF8)
    readable = whole if is_json(whole) else marked(whole)
    around = Around(readable)
    parents: dict[int, Around] = {id(readable): around}
    elements: list[Element] = []
    for path in texts(paths):
        at = 0
        for parent, data in _elements(readable, readable, path.split(".")):
            if len(elements) == MAX_ELEMENTS:
                return []
            # What had to be mended to be read is kept as it came: both are equally long, and what
            # is equal in one is equal in the other, wherever it is found.
            at = readable.index(data, at) if readable is not whole else at
            exact = whole[at : at + len(data)] if readable is not whole else data
            at += len(data)
            holder = parents.setdefault(id(parent), Around(parent))
            elements.append(Element(exact, Surroundings(holder, around)))
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
