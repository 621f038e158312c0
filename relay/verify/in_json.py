"""Values of a body that is JSON, for schemes that have some of what is signed in there.

Only what is asked for is made: a stranger's body may hold a million objects beside it.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec

_READ_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)  # ValueError: text not UTF-8
_ARRAY = "[]"
_SCALARS = b'"-0123456789tfn'

Pick = Callable[[bytes], dict[str, Any]]


def picker(paths: Iterable[str], *, most: int | None = None) -> Pick:
    """Give what reads some values of a body.

    Args:
        paths: Keys with points between; after an array's key stands ``[]``. Where one key only is
            read of its elements, each must have it.
        most: How many elements of an array are read; those after them are passed over.

    Returns:
        A function that gives an object with these values alone, where they stand: texts, numbers
        and the like as such, others as they are written. It raises `ValueError` where the body is
        no JSON object, or not of this shape.
    """
    read = _Object(_tree(paths), most=most).read

    def pick(body: bytes) -> dict[str, Any]:
        try:
            return read(body)
        except _READ_ERRORS:
            raise ValueError("the body is no JSON of this shape") from None

    return pick


def text_at(body: bytes, path: str) -> str | None:
    """Give a text or a whole number at a path, as text.

    Half an emoji elsewhere, or a BOM, does not keep it from being read.

    Args:
        body: Whose signature is right: of such a body all is read.
        path: Keys with points between.

    Returns:
        None where the body is no JSON, or has nothing of that kind there.
    """
    pick = _picker_of(path)
    with suppress(ValueError):
        return text_in(pick(body), path)
    # This reader takes half pairs of surrogates too, and makes the whole body for it.
    with suppress(ValueError, RecursionError):
        return text_in(json.loads(body.decode("utf-8-sig", "surrogatepass")), path)
    return None


def written_at(body: bytes, key: str) -> bytes:
    """Give the value of an outermost key as it is written, or as JSON writes it if it is small.

    Raises:
        ValueError: The body is no JSON object.
    """
    found = _picker_of(key)(body).get(key)
    return bytes(found) if isinstance(found, msgspec.Raw) else msgspec.json.encode(found)


def parsed(body: bytes) -> object:
    """Read a whole body, for what is short or our own; none where it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except _READ_ERRORS:
        return None


def text_in(value: object, path: str) -> str | None:
    """Do what `text_at` does with a body that was read."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


_Tree = dict[str, "_Tree"]


@lru_cache(256)
def _picker_of(path: str) -> Pick:
    return picker([path])


def _tree(paths: Iterable[str]) -> _Tree:
    tree: _Tree = {}
    for path in paths:
        below = tree
        for key in path.split("."):
            below = below.setdefault(key, {})
    return tree


class _Object:
    """Reads some keys of an object.

    Args:
        tree: The keys, and what is read below each.
        most: How many elements of an array in it.
        required: Whether it is none without them.
    """

    def __init__(self, tree: _Tree, *, most: int | None, required: bool = False) -> None:
        keys = [key.removesuffix(_ARRAY) for key in tree]
        fields: list[Any] = [
            (f"f{number}", msgspec.Raw) if required else (f"f{number}", msgspec.Raw, None)
            for number in range(len(keys))
        ]
        renamed = {f"f{number}": key for number, key in enumerate(keys)}
        self.kind = msgspec.defstruct("Object", fields, rename=renamed)
        self._decode = msgspec.json.Decoder(self.kind).decode
        readers = [_reading(key, below, most) for key, below in tree.items()]
        self._readers = list(zip(keys, readers, strict=True))

    def read(self, raw: Any) -> dict[str, Any]:  # noqa: ANN401 - bytes, or what stands for some
        """Read it as it is written."""
        return self.given(self._decode(raw))

    def given(self, values: msgspec.Struct) -> dict[str, Any]:
        """Read its values."""
        found = zip(self._readers, msgspec.structs.astuple(values), strict=True)
        return {key: read(value) for (key, read), value in found if value is not None}


def _reading(key: str, below: _Tree, most: int | None) -> Callable[[msgspec.Raw], Any]:
    """Give what reads the value of one key."""
    if key.endswith(_ARRAY):
        return _reading_each(below, most)
    if not below:
        return _scalar
    inner = _Object(below, most=most)
    return lambda raw: inner.read(raw) if _first(raw) == b"{" else raw


def _reading_each(below: _Tree, most: int | None) -> Callable[[msgspec.Raw], Any]:
    """Give what reads an array, and nothing of it where an element lacks the one key."""
    item = _Object(below, most=most, required=len(below) == 1)
    if most is None:
        decode = msgspec.json.Decoder(list[item.kind]).decode  # type: ignore[name-defined]
        return lambda raw: [item.given(element) for element in decode(raw)]
    fields: list[Any] = [
        (f"i{number}", item.kind | msgspec.UnsetType, msgspec.UNSET) for number in range(most)
    ]
    some = msgspec.json.Decoder(msgspec.defstruct("Array", fields, array_like=True)).decode
    return lambda raw: [
        item.given(element)
        for element in msgspec.structs.astuple(some(raw))
        if element is not msgspec.UNSET
    ]


def _scalar(raw: msgspec.Raw) -> Any:  # noqa: ANN401 - of whatever kind it is
    return msgspec.json.decode(raw) if _first(raw) in _SCALARS else raw


def _first(raw: msgspec.Raw) -> bytes:
    return bytes(memoryview(raw)[:1])
