"""Values of a body that is JSON: bytes and paths in, values out, nothing else is decoded.

Whatever cannot be read is none. Half an emoji at the end of a cut text, or a BOM, must not cost an
event its type: real senders send both.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from relay.contract.event import GZIP_MAGIC, decompressed

# How far a compressed body is unpacked to look for its id and type.
MAX_UNPACKED_BYTES = 16 * 1024 * 1024

# A whole pair of surrogates, or an escaped backslash, is kept; half a pair, as an escape or as
# bytes that UTF-8 does not allow, is replaced.
_HALVES = re.compile(
    rb"((?:\\\\)++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\xed[\xa0-\xbf][\x80-\xbf]"
)
# No JSON begins so.
ZLIB_MAGIC = b"x"
CUT = "\N{REPLACEMENT CHARACTER}"
_CUT_ESCAPED = rb"\ufffd"
# A text may hold JSON, and an array its one element, but not without end.
MAX_WRAPPINGS = 3

_READ_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)  # ValueError: text not UTF-8
_any = msgspec.json.Decoder(msgspec.Raw)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_inside = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])
_scalar = msgspec.json.Decoder(str | int | float | bool | None)

# An object's values or an array's elements, as they stand there; none of what is neither.
Inside = dict[str, msgspec.Raw] | list[msgspec.Raw] | None


def unpacked(body: bytes) -> bytes:
    """Unpack what looks packed, whatever the header says.

    A header is not signed: whoever repeats a delivery with another must not make another event.
    """
    if body.startswith(GZIP_MAGIC):
        encoding = "gzip"
    elif body.startswith(ZLIB_MAGIC):
        encoding = "deflate"
    else:
        return body
    try:
        return decompressed(body, encoding, MAX_UNPACKED_BYTES)
    except ValueError:
        return body


def mended(plain: bytes) -> bytes:
    """Replace half pairs of surrogates, each by as many bytes as it had, and take off a BOM."""
    return _HALVES.sub(
        lambda found: found[1] or (_CUT_ESCAPED if found[0].startswith(b"\\") else CUT.encode()),
        plain.removeprefix(codecs.BOM_UTF8),
    )


def marked(plain: bytes) -> bytes:
    r"""Replace half pairs too, each by a character of its own, so that what differs still does.

    The half ``\ud83d`` becomes ``\ue83d``, which is for private use.
    """
    return _HALVES.sub(lambda found: found[1] or _mark(found[0]), plain)


def is_json(plain: bytes) -> bool:
    """Tell whether it can be read as it is."""
    try:
        _any.decode(plain)
    except _READ_ERRORS:
        return False
    return True


def decoded(decoder: msgspec.json.Decoder[Any], plain: bytes) -> tuple[Any, bool]:
    """Decode JSON, leniently where it must be.

    Returns:
        What was decoded, or none; and whether something had to be mended for it.
    """
    try:
        return decoder.decode(plain), False
    except _READ_ERRORS:
        pass
    readable = mended(plain)
    if readable == plain:
        return None, False
    try:
        return decoder.decode(readable), True
    except _READ_ERRORS:
        return None, False


def _mark(half: bytes) -> bytes:
    if half.startswith(b"\\"):
        return b"\\u" + (b"e" if half[2:3] == b"d" else b"E") + half[3:]
    return b"\xee" + half[1:]


def object_of(plain: bytes) -> dict[str, msgspec.Raw]:
    """Give an object's keys, and their values as they stand there; none where it is no object."""
    return decoded(_object, plain)[0] or {}


def elements_of(plain: bytes) -> list[bytes] | None:
    """Give the elements of an array as they stand there, or none where it is no array."""
    found = decoded(_array, plain)[0]
    return None if found is None else [bytes(element) for element in found]


def inside_of(plain: bytes) -> Inside:
    """Give what is in an object or an array."""
    found: Inside = decoded(_inside, plain)[0]
    return found


def scalar_of(plain: bytes) -> str | int | float | bool | None:
    """Give a text, a number, true or false; none for all else, and for numbers out of range."""
    found: str | int | float | bool | None = decoded(_scalar, plain)[0]
    return found


def readable(plain: bytes) -> bytes | None:
    """Give a whole body, mended where it must be; none where it is no JSON even then."""
    found = decoded(_any, plain)[0]
    return None if found is None else bytes(found)


class Reader:
    """Reads the values at some paths.

    Args:
        paths: Keys, from the outermost; no two alike.
    """

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        self._count = len(paths)
        below: dict[str, list[int]] = {}
        for number, path in enumerate(paths):
            below.setdefault(path[0], []).append(number)
        self._is_flat = all(len(path) == 1 for path in paths)
        self._parts = [_part(paths, numbers) for numbers in below.values()]
        fields: list[tuple[str, Any, Any]] = [
            (f"f{number}", Any if reader is None else msgspec.Raw, None)
            for number, (reader, _) in enumerate(self._parts)
        ]
        names = {f"f{number}": key for number, key in enumerate(below)}
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Envelope", fields, rename=names))

    def read(self, plain: bytes) -> tuple[Sequence[Any], bool]:
        """Read a body.

        Returns:
            A value for each path, none where there is none; and whether something was mended.
        """
        envelope, mended = decoded(self._decoder, plain)
        if envelope is None:
            return (None,) * self._count, False
        found = msgspec.structs.astuple(envelope)
        if self._is_flat:
            return found, mended
        values: list[Any] = [None] * self._count
        for (reader, numbers), value in zip(self._parts, found, strict=True):
            if reader is None:
                values[numbers[0]] = value
            elif value is not None:
                mended |= _descend(reader, numbers, bytes(value), values)
        return values, mended


_Part = tuple[Reader | None, list[int]]


def _part(paths: Sequence[tuple[str, ...]], numbers: list[int]) -> _Part:
    """Give what reads below one key, if anything is read there, and for which paths."""
    if all(len(paths[number]) == 1 for number in numbers):
        return None, numbers
    # The value itself may be asked for beside what is in it.
    return Reader([paths[number][1:] or ("",) for number in numbers]), numbers


def _descend(reader: Reader, numbers: list[int], raw: bytes, values: list[Any]) -> bool:
    inner = _unwrapped(raw)
    if not inner.startswith(b"{"):
        return False
    found, mended = reader.read(inner)
    for number, value in zip(numbers, found, strict=True):
        values[number] = value
    return mended


def _unwrapped(raw: bytes) -> bytes:
    """Give the object that a value is, or the one in it: in an array of one, or in a text."""
    for _ in range(MAX_WRAPPINGS):
        if raw.startswith(b"["):
            elements = elements_of(raw)
            if elements is None or len(elements) != 1:
                return b""
            raw = elements[0]
        elif raw.startswith(b'"'):
            raw = (decoded(_text, raw)[0] or "").strip().encode()
        else:
            return raw
    return b""
