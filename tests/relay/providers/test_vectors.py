"""The presets with signatures that were computed apart from this project."""

from dataclasses import replace

import pytest
from multidict import CIMultiDict

from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from relay.proving import Vector
from relay.verify import Unsent, examine_head, sign, verify
from tests.relay.providers.senders import sender_of
from tests.relay.providers.vectors import (
    HUBSPOT_V1,
    LINEAR,
    OWN,
    PUBLISHED,
    SENDGRID_BODY,
)

OTHER_KEY = sender_of("sendgrid").endpoint.secrets[0].reveal().decode()
VECTORS = [*PUBLISHED, *OWN]
each_vector = pytest.mark.parametrize(
    "vector", VECTORS, ids=[f"{vector.preset}-{vector.value[:12]}" for vector in VECTORS]
)


def endpoint_of(vector: Vector) -> Endpoint:
    """Make the endpoint that a vector was signed for."""
    preset = PROVIDERS[vector.preset]
    return Endpoint(
        name="vector",
        # A scheme of its own: some remember what was signed, and other tests sign the same.
        provider=replace(preset, scheme=replace(preset.scheme)),
        secrets=(Secret(vector.secret, "env:TEST"),),
        public_url=vector.url,
    )


def outcome_of(vector: Vector) -> str:
    """Give the reason for which a vector is refused when it was sent, or ``accepted``."""
    endpoint = endpoint_of(vector)
    headers = CIMultiDict({**vector.headers, vector.header: vector.value})
    try:
        delivery = Delivery(
            endpoint=endpoint,
            claim=examine_head(endpoint, headers),
            headers=headers,
            query=vector.query,
            body=vector.body,
            received_at_ms=1000 * vector.at,
        )
        verify(delivery)
    except SignatureRefused as refusal:
        return refusal.reason
    return "accepted"


@each_vector
def test_a_vector_verifies(vector: Vector) -> None:
    """What another implementation signed is accepted."""
    assert outcome_of(vector) == "accepted"


@each_vector
def test_a_vector_with_another_secret_is_refused(vector: Vector) -> None:
    """And by its signature, not by something else."""
    # Each is a secret in the form of the first; that of a public key needs another key.
    other = vector.secret[:-4] if vector.is_repeatable else OTHER_KEY

    assert outcome_of(replace(vector, secret=other)) == "signature_mismatch"


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if vector.is_repeatable])
def test_we_sign_a_vector_alike(vector: Vector) -> None:
    """Bit by bit what the other implementation made."""
    unsent = Unsent(
        endpoint=endpoint_of(vector),
        body=vector.body,
        at=vector.at,
        headers=vector.headers,
        query=vector.query,
    )

    signed = sign(unsent)

    assert signed.headers.get(vector.header, "") == vector.value
    assert signed.body == vector.body


def test_linears_vector_has_the_right_signature_and_no_time() -> None:
    """Its signature is judged before the time, which the body of this vector does not have."""
    wrong = replace(LINEAR, secret="another secret")

    assert outcome_of(LINEAR) == "signature_malformed"
    assert outcome_of(wrong) == "signature_mismatch"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("x-hubspot-signature", "signature_missing"),
        ("x-hubspot-signature-v3", "signature_mismatch"),
    ],
)
def test_hubspots_plain_hashes_are_refused(header: str, reason: str) -> None:
    """A hash of secret and body can be made longer without the secret, so none is taken."""
    others = {**HUBSPOT_V1.headers, "x-hubspot-request-timestamp": "1700000000000"}

    plain = replace(HUBSPOT_V1, header=header, headers=others, at=1_700_000_000)

    assert outcome_of(plain) == reason


def test_the_published_body_has_its_length() -> None:
    """So that no editor changed the end of its line."""
    assert len(SENDGRID_BODY) == 327


@pytest.mark.parametrize(
    "name", sorted({vector.preset for vector in PUBLISHED}), ids=lambda name: name
)
def test_who_has_a_published_vector_says_so(name: str) -> None:
    """What a preset was proved by is what it was proved by here."""
    assert "vector" in PROVIDERS[name].proved_by


def test_nobody_else_says_so() -> None:
    """What we computed ourselves is no proof for others."""
    claimed = {name for name in PROVIDERS if "vector" in PROVIDERS[name].proved_by}

    assert claimed == {vector.preset for vector in PUBLISHED}
