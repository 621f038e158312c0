"""Every preset against the implementations that are not ours: each takes what the other signs."""

import shutil
import time
from dataclasses import replace

import pytest
from multidict import CIMultiDict

from relay.contract.errors import SignatureRefused
from relay.delivery import Certificate, Delivery
from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from relay.scheme import Jwt
from relay.verify import Unsent, examine_head, sign, verify
from tests.independent.ask import Independent, Question
from tests.independent.genuine import TOPIC, changed, genuine
from tests.independent.implementations import IMPLEMENTATIONS, WITHOUT
from tests.independent.keys import Keys, authority

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")

NAMES = [name for name, known in IMPLEMENTATIONS.items() if known.preset in PROVIDERS]
SIGNING = [name for name in NAMES if IMPLEMENTATIONS[name].can_sign]
KINDS = {"ed25519": "ed25519", "ecdsa-p256": "p256", "rsa-sha256": "rsa"}


def _covers(name: str) -> bool:
    known = IMPLEMENTATIONS[name]
    return known.covers_body or PROVIDERS[known.preset].scheme.assurance == "body"


def _endpoint(name: str, known: Question) -> Endpoint:
    """Make an endpoint of a preset, whose receiver knows what an implementation is told."""
    value = known.secret or known.public_key
    return Endpoint(
        name="hook",
        provider=PROVIDERS[IMPLEMENTATIONS[name].preset],
        secrets=(Secret(value, "env:TEST"),) if value else (),
        public_url=known.url.partition("?")[0],
        topics=frozenset({TOPIC}),
        webhook_id=known.id,
    )


def accepts(name: str, sent: Question, at: int) -> bool:
    """Give whether our preset accepts a delivery.

    Args:
        name: Of an implementation for the same sender.
        sent: The delivery, with what its receiver knows.
        at: When it arrives, in Unix seconds.
    """
    endpoint, headers = _endpoint(name, sent), CIMultiDict(sent.headers)
    try:
        delivery = Delivery(
            endpoint=endpoint,
            claim=examine_head(endpoint, headers),
            headers=headers,
            query=sent.url.partition("?")[2],
            body=sent.body,
            received_at_ms=at * 1000,
            certificate=Certificate(sent.certificate.encode(), authority().pem),
        )
        verify(delivery)
    except SignatureRefused:
        return False
    return True


def signed_by_us(name: str, known: Question, unsigned: Question, keys: Keys, at: int) -> Question:
    """Sign a delivery with our preset.

    Args:
        name: Of an implementation for the same sender.
        known: What the receiver knows.
        unsigned: What is sent; a signature in it is not the sender's.
        keys: The sender's.
        at: Unix seconds.
    """
    endpoint = _endpoint(name, known)
    scheme = endpoint.provider.scheme
    if isinstance(scheme, Jwt) and scheme.issuer is None:
        # Its customer's key, which LiveKit names as the issuer and no preset can know.
        named = replace(endpoint.provider, scheme=replace(scheme, issuer=known.id))
        endpoint = replace(endpoint, provider=named)
    kind = KINDS.get(getattr(scheme, "algorithm", ""), "rsa")
    unsent = Unsent(
        endpoint=endpoint,
        body=unsigned.body,
        at=at,
        headers=unsigned.headers,
        query=unsigned.url.partition("?")[2],
        key=keys.private(kind).encode(),
        event_id=known.id,
    )
    signed = sign(unsent)
    url = f"{endpoint.public_url}?{signed.query}" if signed.query else known.url
    headers = {name.lower(): value for name, value in signed.headers.items()}
    return replace(known, body=signed.body, headers=unsigned.headers | headers, url=url)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_accepts_what_an_implementation_accepts(
    name: str, independent: Independent, keys: Keys
) -> None:
    """One delivery that neither of the two has made."""
    at = int(time.time())
    sent = genuine(name, keys, at)

    assert independent.verify(name, sent)
    assert accepts(name, sent, at)


@pytest.mark.parametrize("name", SIGNING)
def test_a_preset_accepts_what_an_implementation_signs(
    name: str, independent: Independent, keys: Keys, stranger: Keys
) -> None:
    """Only what the implementation adds is the sender's."""
    at = int(time.time())
    known, unsigned = genuine(name, keys, at), genuine(name, stranger, at)
    asked = replace(known, body=unsigned.body, headers=unsigned.headers, timestamp=at)

    signed = independent.sign(name, asked)

    sent = replace(known, body=signed.body, headers=unsigned.headers | signed.headers)
    assert accepts(name, sent, at)


@pytest.mark.parametrize("name", NAMES)
def test_an_implementation_accepts_what_a_preset_signs(
    name: str, independent: Independent, keys: Keys, stranger: Keys
) -> None:
    """Only what we add is the sender's."""
    at = int(time.time())
    known, unsigned = genuine(name, keys, at), genuine(name, stranger, at)

    sent = signed_by_us(name, known, unsigned, keys, at)

    assert independent.verify(name, sent)


@pytest.mark.parametrize("name", [name for name in NAMES if _covers(name)])
def test_a_preset_refuses_a_body_with_one_bit_changed(name: str, keys: Keys) -> None:
    """Unless its sender signs no body."""
    at = int(time.time())
    sent = genuine(name, keys, at)

    accepted = accepts(name, replace(sent, body=changed(sent.body)), at)

    assert not accepted


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_refuses_who_does_not_know_the_secret(
    name: str, keys: Keys, stranger: Keys
) -> None:
    """Also where the sender signs nothing."""
    at = int(time.time())
    known, sent = genuine(name, keys, at), genuine(name, stranger, at)

    accepted = accepts(name, replace(known, body=sent.body, headers=sent.headers), at)

    assert not accepted


@pytest.mark.parametrize("preset", PROVIDERS)
def test_a_preset_says_it_is_proved_by_no_more_than_is_asked_here(preset: str) -> None:
    """Nobody is told of a proof that is not made."""
    said = set(PROVIDERS[preset].proved_by) - {"vector"}

    asked = {known.package for known in IMPLEMENTATIONS.values() if known.preset == preset}
    assert said <= asked


def test_every_preset_is_asked_for_or_known_to_have_nobody_to_ask() -> None:
    """A preset that is new has to be looked up."""
    asked = {known.preset for known in IMPLEMENTATIONS.values()}

    assert set(PROVIDERS) <= asked | WITHOUT
    assert asked.isdisjoint(WITHOUT)
