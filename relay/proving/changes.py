"""A genuine delivery in, out come others that nobody signed, each with one thing changed."""

import re
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from relay.proving.sender import Sent
from relay.scheme import (
    PayPalSignature,
    Scheme,
    Signature,
    SnsSignature,
    Timestamp,
    Unit,
)
from relay.verify.age import written
from relay.verify.places import headers_of, path_of

# Of its runs of letters and digits, a header's longest is its signature, or a part of it.
_RUN = re.compile(r"[A-Za-z0-9+/_-]+")
_PLACES = 3


def changed(scheme: Scheme, sent: Sent) -> Iterator[tuple[str, Sent]]:
    """Give what is to be refused, with a word for what was changed.

    Args:
        scheme: How it was signed.
        sent: As the sender sends it.
    """
    for body in _bodies(scheme, sent):
        yield "body", replace(sent, body=body)
    yield from (("signature", each) for each in _signatures(scheme, sent))
    later = _later(scheme, sent)
    if later is not None and later != sent:
        yield "timestamp", later


def _bodies(scheme: Scheme, sent: Sent) -> Iterator[bytes]:
    """Change a bit at the beginning, in the middle and at the end of a body that is signed."""
    if isinstance(scheme, SnsSignature):
        yield _with_text(sent.body, "MessageId")
        yield _with_text(sent.body, "Message")
    # PayPal's checksum is no proof against someone who looks for another body with the same one,
    # but any single bit changes it.
    elif scheme.assurance == "body" or isinstance(scheme, PayPalSignature):
        last = len(sent.body) - 1
        for at in sorted({last * place // (_PLACES - 1) for place in range(_PLACES)}):
            yield sent.body[:at] + bytes([sent.body[at] ^ 1]) + sent.body[at + 1 :]


def _signatures(scheme: Scheme, sent: Sent) -> Iterator[Sent]:
    if isinstance(scheme, SnsSignature):
        yield replace(sent, body=_with_text(sent.body, "Signature"))
        return
    for name in headers_of(scheme):
        if name in sent.headers:
            yield _with_header(sent, name, _other(sent.headers[name]))
    path = path_of(scheme)
    if path:
        yield replace(sent, body=_with_text(sent.body, path))
    if scheme.secret_parameter:
        yield replace(sent, query=_other(sent.query))


def _later(scheme: Scheme, sent: Sent) -> Sent | None:
    """Say that it was signed a second later."""
    if isinstance(scheme, PayPalSignature):
        return _with_header(sent, "paypal-transmission-time", written(sent.at + 1, "iso8601"))
    if isinstance(scheme, SnsSignature):
        return replace(sent, body=_with_time(sent, "iso8601"))
    timestamp: Timestamp | None = getattr(scheme, "timestamp", None)
    if timestamp is None:
        return None
    where, name = timestamp.place
    if where == "body":
        return replace(sent, body=_with_time(sent, timestamp.unit))
    before, after = (written(at, timestamp.unit) for at in (sent.at, sent.at + 1))
    if where == "header":
        return _with_header(sent, name, after)
    headers = scheme.headers if isinstance(scheme, Signature) else ()
    changed = {each: sent.headers[each].replace(before, after) for each in headers}
    return replace(sent, headers={**sent.headers, **changed})


def _with_time(sent: Sent, unit: Unit) -> bytes:
    before, after = (written(at, unit) for at in (sent.at, sent.at + 1))
    return sent.body.replace(before.encode(), after.encode())


def _with_header(sent: Sent, name: str, value: str) -> Sent:
    return replace(sent, headers={**sent.headers, name: value})


def _with_text(body: bytes, path: str) -> bytes:
    """Change a text in a JSON body, in the first element of each array on its way."""
    value = whole = msgspec.json.decode(body)
    *keys, last = path.split(".")
    for key in keys:
        value = value[key.removesuffix("[]")]
        value = value[0] if key.endswith("[]") else value
    value[last] = _other(value[last])
    return msgspec.json.encode(whole)


def _other(text: str) -> str:
    """Change a character in the middle of the longest word: one that no encoding ignores."""
    start, end = max(
        (run.span() for run in _RUN.finditer(text)), key=lambda span: span[1] - span[0]
    )
    at = (start + end) // 2
    return text[:at] + ("b" if text[at] == "a" else "a") + text[at + 1 :]
