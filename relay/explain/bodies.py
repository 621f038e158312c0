"""A body in, out come those that may have been signed before something changed it on its way.

Bounded in number and size, so that no body can make an explanation long.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from relay.explain.json_forms import forms

MAX_BODIES = 120
# What is longer would take too long in all of its forms; the refusal log keeps no more either.
MAX_BYTES = 262_144
_BOM = b"\xef\xbb\xbf"
_GZIP_OR_ZLIB = 47  # as zlib calls "whichever of both it is"

Changed = tuple[bytes, str]


def bodies(body: bytes) -> Iterator[Changed]:
    """Give bodies that may have been signed, each once.

    Args:
        body: As it came.

    Yields:
        Another body, and a clause that says what was signed.
    """
    if len(body) > MAX_BYTES:
        return
    yield from islice(_once(body), MAX_BODIES)


def _once(body: bytes) -> Iterator[Changed]:
    known = {hash(body)}
    for other, words in _all(body):
        if hash(other) not in known:
            known.add(hash(other))
            yield other, words


def _all(body: bytes) -> Iterator[Changed]:
    yield from _other_ends(body)
    for form, words in forms(body):
        yield form, f"the same JSON written {words}"
    yield from _other_charsets(body)
    yield from _other_forms(body)
    if unpacked := _unpacked(body):
        yield unpacked, "the body before it was compressed"
    yield b"", "an empty body"


def _other_ends(body: bytes) -> Iterator[Changed]:
    yield body.rstrip(b"\r\n"), "the same body without the line break at its end"
    yield body + b"\n", "the same body with a line break at its end"
    yield body + b"\r\n", "the same body with a line break (CR LF) at its end"
    yield body.strip(), "the same body without the blanks around it"
    yield body.replace(b"\r\n", b"\n"), "the same body with lines that end in LF"
    yield (
        body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        ("the same body with lines that end in CR LF"),
    )
    yield body.removeprefix(_BOM), "the same body without the byte order mark before it"
    yield _BOM + body, "the same body with a byte order mark before it"


def _other_charsets(body: bytes) -> Iterator[Changed]:
    ways: tuple[tuple[str, str, str], ...] = (
        ("utf-8", "latin-1", "ISO 8859-1, or before it was taken for that"),
        ("latin-1", "utf-8", "UTF-8, and not in ISO 8859-1"),
        ("utf-8", "cp1252", "Windows-1252"),
        ("utf-8", "utf-16", "UTF-16"),
    )
    for came, was, name in ways:
        try:
            yield body.decode(came).encode(was), f"the same text in {name}"
        except UnicodeError:
            continue


def _other_forms(body: bytes) -> Iterator[Changed]:
    """Write a form anew, as a framework does that has read it."""
    if b"=" not in body[:256] or body[:1] in {b"{", b"["}:
        return
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return
    ways: tuple[tuple[Callable[..., str], str], ...] = (
        (quote_plus, "with + for blanks"),
        (quote, "with %20 for blanks"),
    )
    for way, words in ways:
        try:
            yield urlencode(fields, quote_via=way).encode(), f"the same form written {words}"
        except UnicodeError:
            return


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, MAX_BYTES)
    except zlib.error:
        return b""
