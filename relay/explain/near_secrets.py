"""A secret's text in, out come the keys that it may have been at the sender, with what differs.

Most wrong secrets are right ones that were written differently: with what an editor or a shell
added, with their prefix or without, decoded where they are text or the other way round.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator

from relay.scheme import Key

PREFIXES = ("whsec_", "v1,whsec_", "v1,", "whpk_", "Bearer ")
_BLANKS = b" \t\r\n\x0b\x0c"
_QUOTES = (b'"', b"'", b"`")
_ASSIGNED = re.compile(rb"\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_.-]{0,63}\s*[=:]\s*(.+)", re.DOTALL)
_BOM = b"\xef\xbb\xbf"

Near = tuple[bytes, str]


def near(text: bytes, key: Key) -> Iterator[Near]:
    """Give texts of secrets that come near to a configured one.

    Args:
        text: As it is configured.
        key: How the scheme makes a key of it.

    Yields:
        Another text, which the scheme is to take, and what differs: a clause about the configured
        one.
    """
    for raw, words in _read_otherwise(text, key):
        if raw:
            yield _written(raw, key), words
    for other, words in (*_with_less(text), *_with_more(text)):
        if other and other != text:
            yield other, words


def _with_less(text: bytes) -> Iterator[Near]:
    """Take away what the configured one has and the sender's has not."""
    yield text.rstrip(b"\r\n"), "it ends with a line break, which the sender's has not"
    yield text.strip(_BLANKS), "there are blanks around it, which the sender's has not"
    yield text.removeprefix(_BOM).strip(_BLANKS), "it begins with a byte order mark"
    yield _bare(text), "it stands in quotes, which are no part of it"
    if found := _ASSIGNED.fullmatch(text):
        yield _bare(found[1]), "it holds a whole line NAME=value, and only the value is the secret"
    for prefix in PREFIXES:
        if text.startswith(prefix.encode()):
            rest = text.removeprefix(prefix.encode())
            yield rest, f'it begins with "{prefix.strip()}", which is no part of the sender\'s'


def _with_more(text: bytes) -> Iterator[Near]:
    """Add what the sender's has and the configured one has not."""
    for end, what in (
        (b"\n", "a line break"),
        (b"\r\n", "a line break (CR LF)"),
        (b" ", "a blank"),
    ):
        yield text + end, f"the sender's ends with {what}, and it does not"
        yield text.rstrip(_BLANKS) + end, f"the sender's ends with {what}, and it does not"
    yield b" " + text, "the sender's begins with a blank, and it does not"
    for quote in _QUOTES:
        yield quote + text + quote, "the sender's stands in quotes, and it does not"
    for prefix in PREFIXES:
        if not text.startswith(prefix.encode()):
            more = f'the sender\'s begins with "{prefix.strip()}", and it does not'
            yield prefix.encode() + text, more


def _read_otherwise(text: bytes, key: Key) -> Iterator[Near]:
    """Make the key in another way than the scheme does."""
    bare = text.strip(_BLANKS)
    prefix = next(
        (each.encode() for each in (key.prefix, *PREFIXES) if bare.startswith(each.encode())), b""
    )
    rest = bare.removeprefix(prefix)
    for form, raw in (("base64", _of_base64(rest)), ("hex", _of_hex(rest))):
        if form != key.form and raw:
            yield (
                raw,
                f"the sender takes its {form} for the bytes that it stands for, and {_taken(key)}",
            )
    if key.form != "text":
        yield bare, f"the sender takes it as the text that it is, and {_taken(key)}"
        yield rest, f"the sender takes it as text without {prefix.decode()}, and {_taken(key)}"


def _taken(key: Key) -> str:
    return "the scheme as text" if key.form == "text" else f"the scheme decodes it as {key.form}"


def _written(raw: bytes, key: Key) -> bytes:
    """Write the bytes of a key so that the scheme makes just these of it."""
    if key.form == "base64":
        return key.prefix.encode() + b64encode(raw)
    return key.prefix.encode() + (raw.hex().encode() if key.form == "hex" else raw)


def _bare(text: bytes) -> bytes:
    bare = text.strip(_BLANKS)
    if len(bare) > 2 and bare[:1] == bare[-1:] and bare[:1] in _QUOTES:
        return bare[1:-1]
    return bare


def _of_base64(text: bytes) -> bytes:
    try:
        padded = text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4)
        return b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")), validate=True)
    except ValueError:
        return b""


def _of_hex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""
