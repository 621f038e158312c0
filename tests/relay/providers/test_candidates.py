"""Which signatures are tried, with which secrets, and that each preset takes its own kind only."""

import dataclasses
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from relay.delivery import Delivery
from relay.endpoint import Secret
from relay.providers import PROVIDERS
from relay.scheme import Signature
from relay.verify import check_secret
from relay.verify.family import MAX_CANDIDATES, MAX_SLOW_CANDIDATES
from relay.verify.signature import encoded
from tests.relay.providers.senders import Sender, sender_of
from tests.relay.providers.sending import (
    KEYED,
    a_delivery,
    headers_of,
    refused,
    remade,
    with_body,
)

WITH_SEVERAL = [
    name
    for name in KEYED
    if isinstance(scheme := PROVIDERS[name].scheme, Signature)
    and scheme.split
    and scheme.split.items
]


def with_wrong_before(delivery: Delivery, count: int) -> Delivery:
    """Write wrong signatures before the right one of a split header."""
    scheme = delivery.endpoint.provider.scheme
    assert isinstance(scheme, Signature)
    split = scheme.split
    assert split
    text = delivery.headers[scheme.headers[0]]
    wrong = encoded(bytes(len(delivery.claim.candidates[0])), scheme.encoding)
    parts = [f"{split.signature}{split.pairs}{wrong}"] * count
    headers = CIMultiDict({**delivery.headers, scheme.headers[0]: split.items.join([*parts, text])})
    return remade(delivery, headers=headers)


@pytest.mark.parametrize("name", WITH_SEVERAL)
def test_a_right_signature_after_too_many_wrong_ones_is_not_tried(name: str) -> None:
    """Ten are tried at most, and two where each costs much; among those one right is enough."""
    scheme = PROVIDERS[name].scheme
    assert isinstance(scheme, Signature)
    most = MAX_SLOW_CANDIDATES if scheme.is_asymmetric else MAX_CANDIDATES
    delivery = a_delivery(name)

    assert refused(lambda: with_wrong_before(delivery, most - 1)) is None
    assert refused(lambda: with_wrong_before(delivery, most)) == "signature_mismatch"


def test_ten_items_of_adyen_at_most_are_judged() -> None:
    """More of them are refused, however right each is."""
    delivery = a_delivery("adyen")
    body = json.loads(delivery.body)
    items = body["notificationItems"]

    def with_items(count: int) -> Delivery:
        sent = {**body, "notificationItems": items * count}
        return with_body(delivery, json.dumps(sent).encode())

    assert refused(lambda: with_items(MAX_CANDIDATES)) is None
    assert refused(lambda: with_items(MAX_CANDIDATES + 1)) == "signature_malformed"
    assert refused(lambda: with_items(0)) == "signature_missing"


OTHER = b"another one of 32 bytes, as it is"[:32]


@pytest.mark.parametrize("name", KEYED)
def test_the_secret_of_another_endpoint_is_refused(name: str) -> None:
    """Among several secrets each is accepted, wherever it stands, and no other is."""
    delivery = a_delivery(name)
    (right,) = delivery.endpoint.secrets
    (other,) = sender_of(name, OTHER).endpoint.secrets

    def with_secrets(*secrets: Secret) -> Delivery:
        return remade(delivery, endpoint=replace(delivery.endpoint, secrets=secrets))

    assert refused(lambda: with_secrets(other)) == "signature_mismatch"
    assert refused(with_secrets) == "signature_mismatch"
    assert refused(lambda: with_secrets(other, right)) is None
    assert refused(lambda: with_secrets(right, other)) is None


def scheme_of(name: str) -> dict[str, Any]:
    """Give a preset's scheme as what it says."""
    return dataclasses.asdict(PROVIDERS[name].scheme)


def like(name: str, other: Sender) -> bool:
    """Say whether a preset could have another sender's secret."""
    try:
        check_secret(PROVIDERS[name].scheme, other.endpoint.secrets[0])
    except ValueError:
        return False
    return True


ALIKE = [
    (sent, taken)
    for sent, taken in itertools.permutations(KEYED, 2)
    if not {"content-type"}.issuperset(headers_of(sent)[:1])
    and headers_of(sent)[:1] == headers_of(taken)[:1]
    and scheme_of(sent) != scheme_of(taken)
    and like(taken, sender_of(sent))
]


@pytest.mark.parametrize(("sent", "taken"), ALIKE)
def test_what_one_sender_signs_another_preset_does_not_take(sent: str, taken: str) -> None:
    """Where both have a header of the same name and the same secret, the scheme still differs."""
    delivery = a_delivery(sent)
    endpoint = replace(sender_of(taken).endpoint, secrets=delivery.endpoint.secrets)

    assert refused(lambda: remade(delivery, endpoint=endpoint)) is not None


def test_such_senders_were_looked_at() -> None:
    """Of each kind of likeness there is one: other hashes, other families, other keys."""
    assert {("intercom", "jira"), ("segment", "lemonsqueezy"), ("okta", "livekit")} <= set(ALIKE)


@pytest.mark.parametrize("name", ["microsoft-graph", "adyen"])
@pytest.mark.parametrize("more", [None, {}, 1, "text", []])
def test_one_element_that_is_right_does_not_speak_for_another(name: str, more: object) -> None:
    """Where each element is proved for itself, each is."""
    delivery = a_delivery(name)
    body = json.loads(delivery.body)
    array = next(value for value in body.values() if isinstance(value, list))
    array.append(more)

    assert refused(lambda: delivery) is None
    assert refused(lambda: with_body(delivery, json.dumps(body).encode())) is not None


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_token_of_every_notification_is_compared(place: int) -> None:
    """Also behind the first, by which a stranger is told."""
    delivery = a_delivery("microsoft-graph")
    body = json.loads(delivery.body)
    body["value"] = [dict(body["value"][0]) for _ in range(3)]
    right = json.dumps(body).encode()
    body["value"][place]["clientState"] = "another"
    wrong = json.dumps(body).encode()

    assert refused(lambda: with_body(delivery, right)) is None
    assert refused(lambda: with_body(delivery, wrong)) == "signature_mismatch"
