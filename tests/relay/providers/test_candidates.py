"""Which signatures are tried, with which secrets, and that each preset takes its own kind only."""

import dataclasses
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Secret
from relay.providers import PROVIDERS
from relay.scheme import Signature
from relay.verify import check_secret
from relay.verify.family import MAX_CANDIDATES, MAX_SLOW_CANDIDATES
from relay.verify.signature import encoded
from tests.making import NOW
from tests.relay.providers.senders import Sender, sender_of
from tests.relay.providers.sending import KEYED, a_delivery, an_example, headers_of, refused, remade

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


def test_adyen_signs_ten_items_at_most() -> None:
    """More of them are refused, however right each is."""
    body = json.loads(an_example("adyen").body)
    items = body["notificationItems"]

    def with_items(count: int) -> Delivery:
        sent = json.dumps({**body, "notificationItems": items * count}).encode()
        return sender_of("adyen").send(replace(an_example("adyen"), body=sent), NOW)

    assert refused(lambda: with_items(MAX_CANDIDATES)) is None
    with pytest.raises(SignatureRefused):
        with_items(MAX_CANDIDATES + 1)


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
