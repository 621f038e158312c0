"""Deliveries of one size: a valid one of each kind of sender, and hostile ones beside it.

A preset's name and a size come in; heads and bodies go out. Hostile ones have no right signature,
and are else whatever could cost the most.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from multidict import CIMultiDict

from relay.contract.examples import Example, example_types, make_example
from relay.contract.forms import MAX_FIELDS
from relay.delivery import Certificate, Claim, Delivery
from relay.scheme import Signature
from relay.verify.family import MAX_CANDIDATES
from relay.verify.signature import encoded
from tests.relay.providers.senders import sender_of

AT = 1_791_796_448
FORM = "application/x-www-form-urlencoded"
LONG = 8192
_NOISE = random.Random(1)


@dataclass(frozen=True, slots=True)
class Request:
    """What comes over the wire, before anything of it is looked at.

    Args:
        of: The valid delivery whose endpoint it goes to.
        headers: Of this one.
        body: Of this one.
        query: Without ``?``.
    """

    of: Delivery
    headers: CIMultiDict[str]
    body: bytes
    query: str

    def received(self, claim: Claim) -> Delivery:
        """Give the delivery that it is, once its head was read."""
        certificate = self.of.endpoint.certificate
        return Delivery(
            endpoint=self.of.endpoint,
            certificate=Certificate(certificate, certificate) if certificate else None,
            claim=claim,
            headers=self.headers,
            query=self.query,
            body=self.body,
            received_at_ms=self.of.received_at_ms,
        )


def valid(name: str, size: int) -> Request:
    """Make what a preset's sender sends, of about a size in bytes."""
    example = make_example(name, example_types(name)[0], datetime.fromtimestamp(AT, UTC))
    delivery = sender_of(name).send(replace(example, body=_grown(example, size)), AT)
    headers = CIMultiDict(delivery.headers)
    return Request(delivery, headers, delivery.body, delivery.query)


def hostile(request: Request) -> Iterator[tuple[str, Request]]:
    """Make what a stranger could send instead, by what it tries."""
    size = len(request.body)
    yield "wrong signature", _wrongly_signed(request)
    for what, header in _heads(request):
        yield what, replace(request, headers=header)
    for what, body in _bodies(size):
        yield what, replace(request, body=body)
    yield "another digest in the URL", replace(request, query="bodySHA256=00")
    for what, text in (("long query", "&a="), ("query of escapes", "%3A"), ("odd query", "%zz")):
        for length in (LONG, LONG // 5):
            query = "bodySHA256=" + 64 * "0" + text * (length // 3)
            yield f"{what} of {length} characters", replace(request, query=query)


def _grown(example: Example, size: int) -> bytes:
    """Give an example's body with more of the same in it, as its sender's large ones have."""
    if example.headers["content-type"] == FORM:
        more = urlencode({"Text": "Hello, World! " * (size // 20)}).encode()
        return example.body + b"&" + more[: max(0, size - len(example.body))].rpartition(b"+")[0]
    value = json.loads(example.body)
    item = value if isinstance(value, dict) else value[0]
    copy = json.loads(json.dumps(item))
    bare = len(example.body)
    item["more"] = [copy] * (max(0, size - bare) // (bare + 1))
    return json.dumps(value, separators=(",", ":")).encode()


def _wrongly_signed(request: Request) -> Request:
    """Change what is signed least visibly: a letter in the middle of every value of the head."""
    headers = CIMultiDict(request.headers)
    scheme = request.of.endpoint.provider.scheme
    for name in _proving(request):
        text = headers[name]
        middle = len(text) - len(text) // 4 - 1
        other = "b" if text[middle] == "a" else "a"
        headers[name] = text[:middle] + other + text[middle + 1 :]
    body = request.body
    if scheme.family in {"signature-in-body", "sns", "token"} and not _proving(request):
        for key in (b'Signature":"', b'signature":"', b'clientState":"'):
            body = body.replace(key, key + b"0000")
    return replace(request, headers=headers, body=body)


def _proving(request: Request) -> list[str]:
    """Give the headers that have a proof in them."""
    scheme = request.of.endpoint.provider.scheme
    names = [*scheme.headers] if isinstance(scheme, Signature) else []
    names += [getattr(scheme, "header", ""), getattr(scheme, "place", "").removeprefix("header.")]
    names += ["authorization"] if scheme.family == "basic" else []
    names += ["paypal-transmission-sig"]
    return [name for name in dict.fromkeys(map(str, names)) if name in request.headers]


def _heads(request: Request) -> Iterator[tuple[str, CIMultiDict[str]]]:
    scheme = request.of.endpoint.provider.scheme
    names = _proving(request)
    if not names:
        return
    if isinstance(scheme, Signature) and scheme.split and scheme.split.items:
        split = scheme.split
        wrong = encoded(bytes(len(request.of.claim.candidates[0])), scheme.encoding)
        parts = [f"{split.signature}{split.pairs}{wrong}"] * MAX_CANDIDATES
        if split.timestamp is not None:
            parts.insert(0, f"{split.timestamp}{split.pairs}{request.of.claim.timestamp}")
        yield "ten candidates", _headed(request, names[0], split.items.join(parts))
        yield "separators", _headed(request, names[0], split.items * LONG)
    elif isinstance(scheme, Signature) and len(scheme.headers) > 1:
        wrong = encoded(bytes(32), scheme.encoding)
        headers = CIMultiDict(request.headers)
        headers.update(dict.fromkeys(scheme.headers, wrong))
        yield "all headers", headers
    yield "8 KiB header", _headed(request, names[0], (request.headers[names[0]] + ",") * LONG)
    yield "points", _headed(request, names[0], "." * LONG)


def _headed(request: Request, name: str, text: str) -> CIMultiDict[str]:
    return CIMultiDict({**request.headers, name: text[:LONG]})


def _bodies(size: int) -> Iterator[tuple[str, bytes]]:
    yield "form", b"a=&" * (size // 3)
    yield "as many fields as are read", _fields(size)
    yield "form of escapes", b"a=" + b"%41" * (size // 3)
    yield "deep JSON", b'{"value":' * (size // 9)
    yield "deep arrays", b"[" * size
    for what, item in (("numbers", b"0"), ("objects", b"{}"), ("floats", b"1.5e3")):
        yield f"JSON of {what}", _array(_BESIDE, item, size)
    for key, item in _LOOKED_FOR:
        yield f"many in {key}", _array(b'{"%b":[' % key.encode(), item, size)
    yield "random bytes", _NOISE.randbytes(size)


# What some signatures are looked for in, and room for more beside it.
_BESIDE = (
    b'{"value":[{"clientState":"x"}],"notificationItems":[{"NotificationRequestItem":{}}],'
    b'"signature":{"signature":"00"},"Signature":"AA==","TopicArn":"x","more":['
)
_LOOKED_FOR = (
    ("value", b'{"clientState":""}'),
    ("notificationItems", b'{"NotificationRequestItem":{}}'),
    ("notificationItems", b"{}"),
    ("signature", b"{}"),
    ("Signature", b"{}"),
    ("TopicArn", b"[]"),
)


def _fields(size: int) -> bytes:
    names = b"".join(b"%d=&" % number for number in range(MAX_FIELDS - 1))[:size]
    return names.rpartition(b"&")[0] + b"&a=" + b"+" * max(0, size - len(names))


def _array(begin: bytes, item: bytes, size: int) -> bytes:
    """Put as many items into an array as there is room for."""
    count = max(1, (size - len(begin) - 2) // (len(item) + 1))
    return begin + b",".join([item] * count) + b"]}"
