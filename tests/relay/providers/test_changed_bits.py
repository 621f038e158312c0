"""One changed bit of anything that is signed, or of a signature, and a delivery is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from relay.delivery import Claim, Delivery
from relay.providers import PROVIDERS
from relay.scheme import Signature, SignatureInBody
from relay.template import parse_template
from relay.verify.header import decoded
from relay.verify.signature import encoded
from tests.making import NOW
from tests.relay.providers.senders import sender_of
from tests.relay.providers.sending import KEYED, a_delivery, an_example, refused, remade, with_body

a_few = settings(max_examples=8)
BITS = st.integers(0, 2**40)


def flipped(data: bytes, bit: int) -> bytes:
    """Change one bit."""
    place, number = divmod(bit % (8 * len(data)), 8)
    return data[:place] + bytes([data[place] ^ (1 << number)]) + data[place + 1 :]


def flipped_text(text: str, bit: int) -> str:
    """Change one of the seven bits of one character."""
    place, number = divmod(bit % (7 * len(text)), 7)
    return text[:place] + chr(ord(text[place]) ^ (1 << number)) + text[place + 1 :]


SIGNING_BODIES = [name for name in KEYED if PROVIDERS[name].scheme.assurance == "body"]


@pytest.mark.parametrize("name", SIGNING_BODIES)
@a_few
@given(bit=BITS)
def test_a_changed_bit_of_a_signed_body_is_refused(name: str, bit: int) -> None:
    """No other body goes with a signature."""
    delivery = a_delivery(name)

    assert refused(lambda: with_body(delivery, changed_body(delivery, bit))) is not None


def changed_body(delivery: Delivery, bit: int) -> bytes:
    """Change one bit: of a form, in one of its values, as several texts are the same form."""
    if delivery.headers["content-type"] != "application/x-www-form-urlencoded":
        return flipped(delivery.body, bit)
    fields = parse_qsl(delivery.body.decode())
    place = bit % len(fields)
    name, value = fields[place]
    fields[place] = (name, flipped_text(value, bit // len(fields)))
    return urlencode(fields).encode()


@given(bit=BITS)
def test_a_changed_bit_of_twilios_json_is_refused(bit: int) -> None:
    """There the body's digest stands in the signed URL."""
    example = replace(an_example("twilio"), body=b'[{"id":"EZ1","type":"example"}]')
    delivery = sender_of("twilio").send(example, NOW)

    assert refused(lambda: delivery) is None
    assert refused(lambda: with_body(delivery, flipped(delivery.body, bit))) is not None


@cache
def signed_values(name: str) -> list[tuple[str | int, ...]]:
    """Give the paths of the values in an example that a signature in the body covers."""
    scheme = PROVIDERS[name].scheme
    assert isinstance(scheme, SignatureInBody)
    body = json.loads(an_example(name).body)
    places = [
        place.removeprefix("body.").split(".") for place in parse_template(scheme.signed).places
    ]
    array, _, inner = scheme.items.partition("[].")
    start: tuple[str | int, ...] = (array, 0, inner) if array else ()
    paths = [(*start, *place) for place in places]
    return [path for path in paths if value_at(body, path) is not None]


def value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    """Give the value at a path of keys and numbers, or none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else value[key]
    return value


def put(value: Any, path: tuple[str | int, ...], new: object) -> None:
    """Set the value at a path."""
    value_at(value, path[:-1])[path[-1]] = new


IN_BODY = [name for name in KEYED if isinstance(PROVIDERS[name].scheme, SignatureInBody)]


@pytest.mark.parametrize("name", IN_BODY)
@given(which=st.integers(0, 20), bit=BITS)
def test_a_changed_bit_of_a_signed_value_is_refused(name: str, which: int, bit: int) -> None:
    """Where the signature stands in the body, and covers some values of it."""
    delivery = a_delivery(name)
    body, paths = json.loads(delivery.body), signed_values(name)
    path = paths[which % len(paths)]
    value = value_at(body, path)
    put(body, path, value ^ (1 << bit % 20) if isinstance(value, int) else flipped_text(value, bit))

    assert refused(lambda: with_body(delivery, json.dumps(body).encode())) is not None


@pytest.mark.parametrize("name", IN_BODY)
@given(bit=BITS)
def test_a_changed_bit_of_a_signature_in_the_body_is_refused(name: str, bit: int) -> None:
    """No other signature goes with the values."""
    scheme = PROVIDERS[name].scheme
    assert isinstance(scheme, SignatureInBody)
    delivery = a_delivery(name)
    body = json.loads(delivery.body)
    array, _, inner = scheme.items.partition("[].")
    path = (*((array, 0, inner) if array else ()), *scheme.signature.split("."))
    signature = decoded(value_at(body, path), scheme.encoding)
    assert signature
    put(body, path, encoded(flipped(signature, bit), scheme.encoding))

    changed = with_body(delivery, json.dumps(body).encode())

    assert refused(lambda: changed) == "signature_mismatch"


@pytest.mark.parametrize("name", [name for name in KEYED if name not in IN_BODY])
@a_few
@given(bit=BITS)
def test_a_changed_bit_of_the_signature_is_refused(name: str, bit: int) -> None:
    """No other signature goes with a delivery, and no other token with an endpoint."""
    delivery = a_delivery(name)
    if not delivery.claim.candidates:
        body = json.loads(delivery.body)
        for item in body["value"]:
            item["clientState"] = flipped_text(item["clientState"], bit)
        delivery = with_body(delivery, json.dumps(body).encode())
    else:
        (candidate,) = delivery.claim.candidates
        claim = Claim(delivery.claim.timestamp, (flipped(candidate, bit),))
        delivery = remade(delivery, claim=claim)

    assert refused(lambda: delivery) == "signature_mismatch"


def signed_texts(delivery: Delivery) -> Iterator[tuple[str, int, int]]:
    """Give each signed text of the head: in which header it stands, and from where to where."""
    scheme = delivery.endpoint.provider.scheme
    if not isinstance(scheme, Signature):
        return
    where, name = scheme.timestamp.place if scheme.timestamp else ("", "")
    if where == "field":
        header = scheme.headers[0]
        begin = delivery.headers[header].index(delivery.claim.timestamp)
        yield header, begin, begin + len(delivery.claim.timestamp)
    for header in {*scheme.signed_headers, *({name} if where == "header" else ())}:
        yield header, 0, len(delivery.headers[header])


WITH_SIGNED_HEAD = [name for name in KEYED if list(signed_texts(a_delivery(name)))]


@pytest.mark.parametrize("name", WITH_SIGNED_HEAD)
@settings(max_examples=15)
@given(which=st.integers(0, 3), bit=BITS)
def test_a_changed_bit_of_the_signed_head_is_refused(name: str, which: int, bit: int) -> None:
    """Neither another time nor another id goes with a signature."""
    delivery = a_delivery(name)
    texts = list(signed_texts(delivery))
    header, begin, end = texts[which % len(texts)]
    text = delivery.headers[header]
    changed = text[:begin] + flipped_text(text[begin:end], bit) + text[end:]
    headers = CIMultiDict({**delivery.headers, header: changed})

    assert refused(lambda: remade(delivery, headers=headers)) is not None


WITH_URL = [name for name in KEYED if PROVIDERS[name].needs_url]


@pytest.mark.parametrize("name", WITH_URL)
@given(bit=BITS)
def test_a_changed_bit_of_a_signed_url_is_refused(name: str, bit: int) -> None:
    """Nor does another URL, as its sender knows it."""
    delivery = a_delivery(name)
    public = flipped_text(delivery.endpoint.public_url or "", bit)
    elsewhere = replace(delivery.endpoint, public_url=public)

    assert refused(lambda: remade(delivery, endpoint=elsewhere)) == "signature_mismatch"
    assert refused(lambda: remade(delivery, query="a=1")) == "signature_mismatch"


def test_another_method_is_refused() -> None:
    """Where the method is signed."""
    delivery = a_delivery("hubspot")

    assert refused(lambda: remade(delivery, method="PUT")) == "signature_mismatch"
