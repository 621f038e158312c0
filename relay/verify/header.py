"""Signature headers: their text in, candidate signatures and the timestamp out.

One malformed signature among several does not spoil a good one. Parts with other keys are passed
over, so that a sender can add a new scheme beside the old one.
"""

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Callable, Mapping

from relay.delivery import Claim
from relay.scheme import Encoding, Signature, Split
from relay.verify.age import reader_of
from relay.verify.family import (
    MAX_CANDIDATES,
    MAX_HEADER_CHARACTERS,
    MAX_SLOW_CANDIDATES,
    refuse,
)

# Beside the candidates there may be a timestamp and what else a sender adds.
MAX_PARTS = 2 * MAX_CANDIDATES
_DIGITS = {
    "hex": "[0-9a-f]+",
    "base64": "[A-Za-z0-9+/]+={0,2}",
    "base64url": "[A-Za-z0-9_-]+={0,2}",
}
_TO_BASE64 = str.maketrans("-_+/", "+/??")


def decoded(text: str, encoding: Encoding) -> bytes | None:
    """Give the bytes that a text stands for, or none where it is malformed or empty."""
    try:
        if encoding == "hex":
            return bytes.fromhex(text) or None
        if encoding == "base64url":
            # Written without padding mostly; the other alphabet is not read as this one.
            text = text.rstrip("=").translate(_TO_BASE64)
            text += "=" * (-len(text) % 4)
        return a2b_base64(text, strict_mode=True) or None
    except (ValueError, BinasciiError):
        return None


def head_reader(scheme: Signature) -> Callable[[Mapping[str, str]], Claim]:
    """Give what reads the headers of a scheme.

    Returns:
        A function that gives the claim; it raises `SignatureRefused` with ``signature_missing``,
        or ``signature_malformed`` where there is no timestamp or no signature that can be read.
    """
    most = MAX_SLOW_CANDIDATES if scheme.is_asymmetric else MAX_CANDIDATES
    parse = _splitting(scheme.split, scheme.encoding, most) if scheme.split else _whole(scheme)
    where, name = scheme.timestamp.place if scheme.timestamp else ("", "")
    valid_time = reader_of(scheme.timestamp.unit) if scheme.timestamp else None

    def read(headers: Mapping[str, str]) -> Claim:
        timestamp, candidates = parse(_signature_text(scheme.headers, headers))
        if where == "header":
            timestamp = headers.get(name, "").strip()
        if not candidates or (
            where in _IN_HEAD and (not valid_time or valid_time(timestamp) is None)
        ):
            refuse("signature_malformed")
        return Claim(timestamp, candidates)

    return _quick(scheme, read) or read


_IN_HEAD = {"field", "header"}
_QUICK_TIMES = {"seconds": "[0-9]{1,12}", "milliseconds": "[0-9]{1,15}"}
_Match = Callable[[str], re.Match[str] | None]
_Parsed = tuple[str, tuple[bytes, ...]]


def _quick(
    scheme: Signature, read: Callable[[Mapping[str, str]], Claim]
) -> Callable[[Mapping[str, str]], Claim] | None:
    """Read at one stroke what a header looks like nearly always; what differs is read in pieces."""
    split, timestamp = scheme.split, scheme.timestamp
    if split is None or len(scheme.headers) != 1:
        return None
    where, name = timestamp.place if timestamp else ("", "")
    digits = _QUICK_TIMES.get(timestamp.unit) if timestamp and where in _IN_HEAD else ""
    if digits is None or (where == "field") != (split.timestamp is not None):
        return None
    pairs, items = re.escape(split.pairs), re.escape(split.items)
    before = f"{re.escape(split.timestamp)}{pairs}({digits}){items}" if split.timestamp else "()"
    usual = re.compile(
        f"{before}{re.escape(split.signature)}{pairs}({_DIGITS[scheme.encoding]})"
    ).fullmatch
    if where == "header":
        return _reading_apart(scheme, (usual, re.compile(digits).fullmatch), name, read)
    header, encoding = scheme.headers[0], scheme.encoding

    def read_usual(headers: Mapping[str, str]) -> Claim:
        text = headers.get(header)
        if text is not None and (found := usual(text)) is not None:
            signature = decoded(found[2], encoding)
            if signature is not None:
                return Claim(found[1], (signature,))
        return read(headers)

    return read_usual


def _reading_apart(
    scheme: Signature,
    usual: tuple[_Match, _Match],
    name: str,
    read: Callable[[Mapping[str, str]], Claim],
) -> Callable[[Mapping[str, str]], Claim]:
    """Read a signature, and the timestamp that stands in a header of its own."""
    header, encoding = scheme.headers[0], scheme.encoding
    usual_text, usual_time = usual

    def read_both(headers: Mapping[str, str]) -> Claim:
        text, timestamp = headers.get(header), headers.get(name)
        if text is not None and timestamp is not None and usual_time(timestamp) is not None:
            found = usual_text(text)
            signature = None if found is None else decoded(found[2], encoding)
            if signature is not None:
                return Claim(timestamp, (signature,))
        return read(headers)

    return read_both


def _signature_text(names: tuple[str, ...], headers: Mapping[str, str]) -> list[str]:
    found = [text for name in names if (text := headers.get(name)) is not None]
    if not found:
        refuse("signature_missing")
    if sum(map(len, found)) > MAX_HEADER_CHARACTERS:
        refuse("signature_malformed")
    return found


def _whole(scheme: Signature) -> Callable[[list[str]], _Parsed]:
    encoding = scheme.encoding

    def parse(given: list[str]) -> _Parsed:
        read = [decoded(text.strip(), encoding) for text in given[:MAX_CANDIDATES]]
        return "", tuple(one for one in read if one is not None)

    return parse


def _splitting(split: Split, encoding: Encoding, most: int) -> Callable[[list[str]], _Parsed]:
    def parse(given: list[str]) -> _Parsed:
        timestamps: list[str] = []
        candidates: list[bytes] = []
        for key, value in pairs_of(split, given[0]):
            if key == split.signature and len(candidates) < most:
                signature = decoded(value, encoding)
                candidates += () if signature is None else (signature,)
            elif key == split.timestamp:
                timestamps.append(value)
        # Two of them leave open which was signed.
        return (timestamps[0] if len(timestamps) == 1 else ""), tuple(candidates)

    return parse


def pairs_of(split: Split, text: str) -> list[tuple[str, str]]:
    """Cut a header into keys and values; a part without a key belongs to the key before it."""
    items = split.items.strip() or split.items
    parts = text.split(items, MAX_PARTS)[:MAX_PARTS] if items else [text]
    pairs = []
    key = ""
    for part in parts:
        name, pair, value = part.partition(split.pairs)
        key, value = (name.strip(), value.strip()) if pair else (key, name.strip())
        # A bare element is no timestamp: senders write several signatures so, and nothing else.
        if pair or key != split.timestamp:
            pairs.append((key, value))
    return pairs
