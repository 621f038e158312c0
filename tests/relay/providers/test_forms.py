"""Forms of signatures and keys that a few senders have for themselves."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from multidict import CIMultiDict

from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Secret
from relay.providers import PROVIDERS
from relay.verify import check_secret
from tests.making import NOW
from tests.relay.providers.senders import Sender, sender_of
from tests.relay.providers.sending import a_delivery, an_example, refused, remade, with_body


def with_header(delivery: Delivery, name: str, value: str) -> Delivery:
    """Receive it with another value of one header."""
    return remade(delivery, headers=CIMultiDict({**delivery.headers, name: value}))


def accepted(delivery: Delivery) -> bool:
    """Say whether it is proved."""
    return refused(lambda: delivery) is None


def jwk_of(pem: bytes) -> str:
    """Write a public key as senders of tokens give it."""
    public = load_pem_public_key(pem)
    assert isinstance(public, EllipticCurvePublicKey)
    numbers = public.public_numbers()
    x, y = (
        urlsafe_b64encode(number.to_bytes(32)).rstrip(b"=").decode()
        for number in (numbers.x, numbers.y)
    )
    return json.dumps({"alg": "ES256", "crv": "P-256", "kty": "EC", "use": "sig", "x": x, "y": y})


def test_sanity_writes_base64_for_urls_without_padding() -> None:
    """A signature that has other signs in the usual alphabet is written in that of URLs."""
    delivery = a_delivery("sanity")
    (signature,) = delivery.claim.candidates
    time, _, text = delivery.headers["sanity-webhook-signature"].partition(",v1=")

    assert text == urlsafe_b64encode(signature).rstrip(b"=").decode()
    assert accepted(with_header(delivery, "sanity-webhook-signature", f"{time},v1={text}="))


@pytest.mark.parametrize("signature", [b"\xfb\xff" * 16, b"\xff\xef\xbe" * 10])
def test_the_usual_alphabet_is_not_that_of_urls(signature: bytes) -> None:
    """What a sender does not write is not read."""
    delivery = a_delivery("sanity")
    text = f"t={NOW}000,v1={b64encode(signature).decode()}"

    with pytest.raises(SignatureRefused, match="signature_malformed"):
        with_header(delivery, "sanity-webhook-signature", text)


def test_workos_writes_a_blank_and_need_not() -> None:
    """The signature is read with it and without it."""
    delivery = a_delivery("workos")
    text = delivery.headers["workos-signature"]

    assert ", v1=" in text
    assert accepted(delivery)
    assert accepted(with_header(delivery, "workos-signature", text.replace(", ", ",")))


def test_plaids_key_may_be_as_plaid_gives_it() -> None:
    """A JWK does what the PEM of the same key does."""
    sender = sender_of("plaid")
    jwk = jwk_of(sender.endpoint.secrets[0].reveal())
    endpoint = replace(sender.endpoint, secrets=(Secret(jwk, "env:TEST"),))

    assert accepted(Sender(endpoint, sender.key).send(an_example("plaid"), NOW))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"x":1,"y":2}',
        '{"x":"AQ","y":"Ag"}',
        '{"x":null,"y":[]}',
        '{"x":"é","y":"é"}',
        "plain text",
    ],
)
def test_what_is_no_key_is_refused_at_the_start(text: str) -> None:
    """An endpoint with such a secret does not come up, and the fault does not show it."""
    with pytest.raises(ValueError, match="no public key") as fault:
        check_secret(PROVIDERS["plaid"].scheme, Secret(text, "env:TEST"))

    assert text not in str(fault.value)


def test_one_of_two_keys_of_box_is_enough() -> None:
    """The secondary key alone proves a delivery whose primary signature is another's."""
    delivery = a_delivery("box")
    right = delivery.headers["box-signature-primary"]
    another = with_header(delivery, "box-signature-secondary", right)
    delivery = with_header(another, "box-signature-primary", b64encode(bytes(32)).decode())

    assert len(delivery.claim.candidates) == 2
    assert accepted(delivery)


def with_scheme_of_its_own(name: str) -> Sender:
    """Give a sender whose gateway has not seen any signature yet."""
    sender = sender_of(name)
    preset = sender.endpoint.provider
    provider = replace(preset, scheme=replace(preset.scheme))
    return replace(sender, endpoint=replace(sender.endpoint, provider=provider))


def test_a_token_of_mailgun_goes_with_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature does not cover the event, so it is taken for the first it comes with."""
    monkeypatch.setattr("relay.verify.in_body.MAX_REMEMBERED", 2)
    sender = with_scheme_of_its_own("mailgun")
    first = sender.send(an_example("mailgun"), NOW)
    other = json.loads(an_example("mailgun").body)
    stolen = {**json.loads(first.body), "event-data": other["event-data"]}

    assert accepted(first)
    assert refused(lambda: with_body(first, json.dumps(stolen).encode())) == "signature_mismatch"
    assert accepted(first)

    assert accepted(sender.send(an_example("mailgun"), NOW))
    assert accepted(sender.send(an_example("mailgun"), NOW))
    assert accepted(with_body(first, json.dumps(stolen).encode()))
