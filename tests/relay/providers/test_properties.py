"""What holds for the verification of every preset, whatever is sent."""

import itertools
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import example as such_as
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from relay.delivery import Certificate, Claim, Delivery
from relay.identify import identify_each
from relay.providers import PROVIDERS
from relay.scheme import Signature
from relay.verify import verify
from tests.making import NOW, NOW_MS
from tests.relay.providers.senders import sender_of
from tests.relay.providers.sending import an_example, headers_of, refused, remade

each_preset = pytest.mark.parametrize("name", PROVIDERS)
# What a header may hold after the server has decoded it, odd bytes as surrogates included.
HEADER_TEXT = st.text(alphabet=st.characters(max_codepoint=0x2FFFF), max_size=60)
LIKE_A_SIGNATURE = st.lists(
    st.sampled_from(
        ["t=1", "v1=", "v0=ab", "sha256=", "v1,", "v1a,", " ", ",", ";", "=", ".", "e30"]
    ),
    max_size=30,
).map("".join)
LIKE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "signature", "token", "clientState"]), inner)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


def is_free(name: str) -> bool:
    """Say whether a preset's signature goes with any bytes as body."""
    scheme = PROVIDERS[name].scheme
    if isinstance(scheme, Signature):
        return scheme.timestamp is None or scheme.timestamp.place[0] != "body"
    return scheme.family in {"jwt", "basic", "paypal"} or getattr(scheme, "place", "").startswith(
        "header."
    )


def with_text(body: bytes, text: str) -> bytes:
    """Put a text into a body whose shape matters."""
    try:
        value = json.loads(body)
    except ValueError:
        return body + b"&" + urlencode({"Text": text}).encode()
    (value if isinstance(value, dict) else value[0])["text"] = text
    return json.dumps(value).encode()


@each_preset
@settings(max_examples=8)
@given(body=st.binary(max_size=200), text=st.text(max_size=20))
def test_what_sign_makes_verify_accepts(name: str, body: bytes, text: str) -> None:
    """And whatever the body is, an event can be told of it."""
    given_example = an_example(name)
    sent = body if is_free(name) else with_text(given_example.body, text)
    delivery = sender_of(name).send(replace(given_example, body=sent), NOW)

    assert list(identify_each(verify(delivery)))


@each_preset
@settings(max_examples=15)
@given(
    texts=st.lists(HEADER_TEXT | LIKE_A_SIGNATURE, min_size=4, max_size=4),
    body=st.binary(max_size=100) | LIKE_JSON,
    query=st.sampled_from(["", "bodySHA256=\udcff", "bodySHA256=&a=%ff"]),
)
@such_as(texts=["\ud83d"] * 4, body=b"", query="")
@such_as(texts=["t=\udcff,v1=\udcff"] * 4, body=b"\xff", query="")
@such_as(texts=["Basic \udcff"] * 4, body=b"[" * 100_000, query="")
@such_as(texts=["Bearer a.b.c"] * 4, body=b'{"value":' * 100_000, query="")
@such_as(texts=[f"{NOW}"] * 4, body=b'{"value":[' + b"{}," * 20_000 + b"{}]}", query="")
@such_as(texts=["v1=ab," * 2000] * 4, body=b"a=&" * 20_000, query="")
@such_as(
    texts=["eyJhbGciOiJIUzI1NiJ9." + "e30" * 20_000 + ".AAAA"] * 4, body=b"\0" * 1000, query=""
)
def test_anything_is_refused_with_a_reason(
    name: str, texts: list[str], body: bytes, query: str
) -> None:
    """Arbitrary headers and bytes raise nothing but `SignatureRefused`."""
    headers = CIMultiDict(zip(headers_of(name), itertools.cycle(texts), strict=False))
    endpoint = sender_of(name).endpoint
    own = endpoint.certificate
    delivery = Delivery(
        endpoint=endpoint,
        certificate=Certificate(own, own) if own else None,
        claim=Claim(),
        headers=headers,
        query=query,
        body=body,
        received_at_ms=NOW_MS,
    )

    assert refused(lambda: remade(delivery)) is not None
