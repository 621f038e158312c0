"""Signature headers that are read at one stroke are read as they are in pieces."""

from collections.abc import Callable, Mapping
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.errors import SignatureRefused
from relay.delivery import Claim
from relay.providers import PROVIDERS
from relay.scheme import Signature
from relay.verify import header

Read = Callable[[Mapping[str, str]], Claim]

SCHEMES = {
    name: scheme
    for name in PROVIDERS
    if isinstance(scheme := PROVIDERS[name].scheme, Signature) and scheme.split
}
WORDS = (*"=,;: ", "t", "ts", "v0", "v1", "h1", "sha256", "1790000000", "12", "x", "\uff11", "é")
SIGNATURES = ("ab" * 32, "AB" * 32, "abc", "q" * 43 + "=", "q" * 42 + "==", "+/" * 22, "=")
TEXTS = st.lists(st.sampled_from((*WORDS, *SIGNATURES)), max_size=8).map("".join)


def in_pieces(scheme: Signature) -> Read:
    """Give what reads a head without the short way."""
    with mock.patch.object(header, "_quick", return_value=None):
        return header.head_reader(scheme)


def outcome(read: Read, headers: Mapping[str, str]) -> Claim | str:
    """Give what was read, or the reason why it was not."""
    try:
        return read(headers)
    except SignatureRefused as refused:
        return refused.reason


@pytest.mark.parametrize("name", SCHEMES)
def test_the_short_way_and_the_long_one_lead_to_the_same(name: str) -> None:
    """For whatever a header holds, of all senders whose headers have parts."""
    scheme = SCHEMES[name]
    assert scheme.split is not None
    quick, slow = header.head_reader(scheme), in_pieces(scheme)
    where, place = scheme.timestamp.place if scheme.timestamp else ("", "")
    start = f"{scheme.split.signature}{scheme.split.pairs}"
    if scheme.split.timestamp:
        start = f"{scheme.split.timestamp}{scheme.split.pairs}1790000000{scheme.split.items}{start}"

    @given(TEXTS | TEXTS.map(start.__add__), TEXTS | st.just("1790000000"), st.booleans())
    def agrees(text: str, time: str, has_time: bool) -> None:  # noqa: FBT001 - drawn
        headers = {scheme.headers[0]: text}
        if where == "header" and has_time:
            headers[place] = time
        assert outcome(quick, headers) == outcome(slow, headers)

    agrees()


@pytest.mark.parametrize(
    "name", ["unipile", "stripe", "standard-webhooks", "svix", "slack", "github", "meta"]
)
def test_what_these_senders_send_is_read_the_short_way(name: str) -> None:
    """Nearly all deliveries come in the form in which the sender's own page shows them."""
    scheme = SCHEMES[name]

    def fail(_: Mapping[str, str]) -> Claim:
        raise AssertionError("it was read in pieces")

    read = header._quick(scheme, fail)
    assert read is not None
    assert scheme.split is not None
    where, place = scheme.timestamp.place if scheme.timestamp else ("", "")
    pairs, items = scheme.split.pairs, scheme.split.items
    signature = "q" * 43 + "=" if scheme.encoding == "base64" else "ab" * 32
    time = f"{scheme.split.timestamp}{pairs}1790000000{items}" if where == "field" else ""
    headers = {scheme.headers[0]: f"{time}{scheme.split.signature}{pairs}{signature}"}
    if where == "header":
        headers[place] = "1790000000"

    assert read(headers).timestamp == ("1790000000" if where else "")
    assert len(read(headers).candidates) == 1
