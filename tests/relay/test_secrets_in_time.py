"""Secrets that count for a time only: whatever the scheme, they prove nothing outside it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.contract.errors import SignatureRefused
from relay.contract.examples import example_types, make_example
from relay.delivery import Delivery
from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from relay.proving.sender import make_sender, receive
from relay.verify import Unsent, sign, verify
from tests.making import NOW, NOW_MS, make_delivery, make_endpoint
from tests.signing import SECRET, signature

OLD, NEW = "wes_old_0000000000000000000000000", "wes_new_0000000000000000000000000"
DAY_MS = 24 * 3600 * 1000
BODY = b'{"id":"evt_1","type":"message.new"}'

# One preset of each way in which a secret proves something.
FAMILIES = {
    (type(PROVIDERS[name].scheme), PROVIDERS[name].has_public_key): name
    for name in PROVIDERS
    if PROVIDERS[name].scheme.family not in {"none", "sns", "paypal"} and example_types(name)
}


def bounded(secret: Secret, begin: int | None, end: int | None) -> Secret:
    """Have a secret count from when to when, both ms from now."""
    at = [None if ms is None else NOW_MS + ms for ms in (begin, end)]
    return Secret(secret.reveal().decode(), secret.name, *at)


def proved(delivery: Delivery) -> bool:
    """Say whether a delivery passes."""
    try:
        verify(delivery)
    except SignatureRefused as refusal:
        if refusal.reason != "signature_mismatch":
            raise
        return False
    return True


@pytest.mark.parametrize("name", FAMILIES.values())
@settings(max_examples=12)
@given(
    begin=st.none() | st.sampled_from([-DAY_MS, -1, 0, 1, DAY_MS]),
    end=st.none() | st.sampled_from([-DAY_MS, -1, 0, 1, DAY_MS]),
)
def test_outside_its_time_a_secret_proves_nothing_and_within_it_does(
    name: str, begin: int | None, end: int | None
) -> None:
    """The moments of its bounds are within it."""
    sender = make_sender(PROVIDERS[name], b"k" * 32, NOW)
    sent = sender.send(make_example(name, example_types(name)[0]), NOW)
    (secret,) = sender.endpoint.secrets
    endpoint = replace(sender.endpoint, secrets=(bounded(secret, begin, end),))
    counts = (begin is None or begin <= 0) and (end is None or end >= 0)

    assert proved(receive(endpoint, sent)) is counts
    assert proved(receive(endpoint.as_of(NOW_MS), sent)) is counts


def endpoint_of(*secrets: Secret) -> Endpoint:
    """Make an endpoint of some secrets."""
    return replace(make_endpoint(), secrets=secrets)


def both_signed(first: str, second: str) -> Delivery:
    """Make a delivery that its sender has signed with two secrets at once."""
    signatures = f"t={NOW},v0={signature(BODY, NOW, first)},v0={signature(BODY, NOW, second)}"
    endpoint = endpoint_of(Secret(NEW, "env:NEW"), Secret(OLD, "env:OLD"))
    return make_delivery(BODY, {"unipile-signature": signatures}, endpoint=endpoint)


@pytest.mark.parametrize("order", [(NEW, OLD), (OLD, NEW)])
def test_a_delivery_that_both_have_signed_is_credited_to_the_newer(order: tuple[str, str]) -> None:
    """In whichever order they stand: its sender has the new one."""
    secret = verify(both_signed(*order)).secret

    assert secret is not None
    assert secret.name == "env:NEW"


@pytest.mark.parametrize("name", FAMILIES.values())
def test_of_two_with_the_same_content_the_first_that_counts_is_credited(name: str) -> None:
    """One that counts no more gets nothing."""
    sender = make_sender(PROVIDERS[name], b"k" * 32, NOW)
    sent = sender.send(make_example(name, example_types(name)[0]), NOW)
    (secret,) = sender.endpoint.secrets
    text = secret.reveal().decode()
    over = Secret(text, "env:OVER", None, NOW_MS - 1)
    one, other = Secret(text, "env:ONE"), Secret(text, "env:OTHER")
    endpoint = replace(sender.endpoint, secrets=(over, one, other))
    found = verify(receive(endpoint, sent)).secret

    assert found is one


def test_what_is_judged_as_of_a_time_has_the_secrets_of_that_time() -> None:
    """However old the delivery is, and for ever after."""
    early = Secret(SECRET, "env:EARLY", None, NOW_MS)
    late = Secret(NEW, "env:LATE", NOW_MS + 1)
    endpoint = endpoint_of(late, early)

    assert [secret.name for secret in endpoint.as_of(NOW_MS).secrets] == ["env:EARLY"]
    assert [secret.name for secret in endpoint.as_of(NOW_MS + 1).secrets] == ["env:LATE"]
    assert endpoint.as_of(NOW_MS).secrets_at(NOW_MS + DAY_MS)


def test_who_signs_does_so_with_the_newest_that_counts() -> None:
    """One that is to count from tomorrow is not known at its sender yet."""
    endpoint = endpoint_of(Secret(NEW, "env:NEW", NOW_MS + DAY_MS), Secret(SECRET, "env:OLD"))
    signed = sign(Unsent(endpoint=endpoint, body=BODY, at=NOW))

    assert signature(BODY, NOW) in signed.headers["unipile-signature"]
    assert "secrets" not in repr(endpoint)
    assert SECRET not in repr(endpoint)
