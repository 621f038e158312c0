"""A JSON body in, out comes the same JSON as other programs write it.

A proxy or a framework that parses a body and writes it again changes its bytes and nothing of its
meaning, and the signature is over the bytes. The order of keys is the one that came: programs keep
it. Texts and numbers stay as they are written, unless that is what is tried.

Source: RFC 8259; for what is escaped, Python's `json`, Go's ``encoding/json``, PHP's
``json_encode`` and .NET's ``System.Text.Json``, each by its defaults.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

# Indented, a body becomes much longer.
MAX_DEPTH = 32
MAX_INDENTED_TOKENS = 30_000

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+|\s+')
_ESCAPED = re.compile(r"\\u[0-9a-f]{4}")
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")
_INTEGER = re.compile(r"-?[0-9]+")
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")

Form = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of writing, and its name."""

    words: str
    write: Callable[..., str]


def forms(body: bytes) -> Iterator[Form]:
    """Write a body in the usual ways, the likeliest first.

    Args:
        body: As it came; the caller bounds its length.

    Yields:
        The bytes, and how they are written: ``compactly``.
    """
    tokens = _tokens(body)
    if tokens is None:
        return
    layouts = _LAYOUTS if _may_be_indented(tokens) else _LAYOUTS[:_FLAT]
    for style in _STYLES:
        styled = _in_style(tokens, style)
        if style is _SAME or styled != tokens:
            yield from _laid_out(styled, style, layouts)
    yield from _sorted(body)


def _in_style(tokens: list[str], style: _Way) -> list[str]:
    """Write texts and numbers in a way, each that comes often once."""
    written = {token: style.write(token) for token in set(tokens)}
    return [written[token] for token in tokens]


def _laid_out(tokens: list[str], style: _Way, layouts: tuple[_Way, ...]) -> Iterator[Form]:
    spaceless = [token for token in tokens if not token.isspace()]
    for layout in layouts:
        words = " and ".join(filter(None, (layout.words, style.words)))
        text = layout.write(tokens if layout is _AS_IT_CAME else spaceless)
        for end, more in _ENDS if style is _SAME else _ENDS[:1]:
            yield from _encoded(text + end, words + more)


def _tokens(body: bytes) -> list[str] | None:
    try:
        text = body.decode("utf-8-sig").strip()
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _TOKENS.findall(text) if isinstance(value, dict | list) else None


def _may_be_indented(tokens: list[str]) -> bool:
    depth = deepest = 0
    for each in tokens:
        depth += (each in _OPENING) - (each in _CLOSING)
        deepest = max(deepest, depth)
    return deepest <= MAX_DEPTH and len(tokens) <= MAX_INDENTED_TOKENS


def _encoded(text: str, words: str) -> Iterator[Form]:
    try:
        yield text.encode(), words
    except UnicodeEncodeError:
        return  # half an emoji, which UTF-8 cannot write


def _sorted(body: bytes) -> Iterator[Form]:
    """Write it with its keys in order, as a sender may that a proxy did not follow."""
    try:
        value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError):
        return
    for separators, layout in (((",", ":"), "compactly"), ((", ", ": "), "with blanks")):
        for to_ascii in (False, True):
            try:
                text = json.dumps(
                    value,
                    separators=separators,
                    sort_keys=True,
                    ensure_ascii=to_ascii,
                    allow_nan=False,
                )
            except (ValueError, RecursionError):
                return
            yield from _encoded(text, f"{layout} and with its keys in alphabetical order")


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key that comes again: what stands under it first would be gone, and not the same."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _joined(tokens: list[str], comma: str, colon: str) -> str:
    marks = {",": comma, ":": colon}
    return "".join([marks.get(token, token) for token in tokens])


def _indented(tokens: list[str], unit: str, line: str) -> str:
    out: list[str] = []
    depth = 0
    before = "start"
    for each in tokens:
        is_end = each in _CLOSING
        depth -= is_end
        is_new_line = before == "," or is_end != (before in _OPENING)
        out.append(f"{line}{unit * depth}" if is_new_line else "")
        out.append(": " if each == ":" else each)
        depth += each in _OPENING
        before = each
    return "".join(out)


def _restyled(token: str, *, to_ascii: bool = False, escape: Callable[[str], str] = str) -> str:
    if not token.startswith('"'):
        return token
    return escape(json.dumps(json.loads(token), ensure_ascii=to_ascii))


def _slashes(text: str) -> str:
    return text.replace("/", "\\/")


def _html(text: str) -> str:
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _capital(text: str) -> str:
    for character in "<>&'+":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _ESCAPED.sub(lambda found: f"\\u{found[0][2:].upper()}", text)


def _without_fraction(token: str) -> str:
    found = _WHOLE.fullmatch(token)
    return found[1] if found else token


def _with_fraction(token: str) -> str:
    return f"{token}.0" if _INTEGER.fullmatch(token) else token


_AS_IT_CAME = _Way("", "".join)
_LAYOUTS = (
    _Way("compactly", "".join),
    _Way("with blanks after commas and colons", partial(_joined, comma=", ", colon=": ")),
    _AS_IT_CAME,
    _Way("with a blank after colons", partial(_joined, comma=",", colon=": ")),
    _Way("with a blank after commas", partial(_joined, comma=", ", colon=":")),
    _Way("indented by 2", partial(_indented, unit="  ", line="\n")),
    _Way("indented by 4", partial(_indented, unit="    ", line="\n")),
    _Way("indented by tabs", partial(_indented, unit="\t", line="\n")),
    _Way("indented by 2 with lines that end in CR LF", partial(_indented, unit="  ", line="\r\n")),
)
_FLAT = 5
_SAME = _Way("", str)
_STYLES = (
    _SAME,
    _Way("with characters outside ASCII as they are", _restyled),
    _Way("with characters outside ASCII escaped", partial(_restyled, to_ascii=True)),
    _Way("with slashes escaped", partial(_restyled, to_ascii=True, escape=_slashes)),
    _Way("with only slashes escaped", partial(_restyled, escape=_slashes)),
    _Way("with <, > and & escaped", partial(_restyled, escape=_html)),
    _Way(
        "with all that HTML knows escaped, in capitals",
        partial(_restyled, to_ascii=True, escape=_capital),
    ),
    _Way("with numbers like 1.0 as 1", _without_fraction),
    _Way("with numbers like 1 as 1.0", _with_fraction),
)
_ENDS = (("", ""), ("\n", " and with a line break at its end"))
