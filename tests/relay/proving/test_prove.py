"""Trying presets: those that hold pass, and each way not to hold is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from relay.contract.examples import example_types
from relay.delivery import Delivery, VerifiedDelivery
from relay.provider import Places
from relay.providers import PROVIDERS
from relay.proving import Proof, prove, published
from relay.scheme import Signature
from relay.verify import Signed, Unsent, extra
from tests.making import NOW

Takes = Callable[[Delivery], bool]


def tried(name: str, **changes: object) -> Proof:
    """Try a preset, with something in it changed."""
    return prove(replace(PROVIDERS[name], **changes), NOW)  # type: ignore[arg-type]


def take(monkeypatch: pytest.MonkeyPatch, takes: Takes) -> None:
    """Have deliveries taken of which a function says so, and the others as they should be."""
    verify = prove.__globals__["verify"]

    def taking(delivery: Delivery) -> VerifiedDelivery:
        if takes(delivery):
            return VerifiedDelivery(delivery=delivery, assurance="body", signed_at=None)
        verified: VerifiedDelivery = verify(delivery)
        return verified

    monkeypatch.setitem(prove.__globals__, "verify", taking)


def unsigned(unsent: Unsent) -> Signed:
    """Sign nothing."""
    return Signed(dict(unsent.headers), unsent.body, unsent.query)


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_preset_holds(name: str) -> None:
    """All of its examples and vectors, and nothing was left out."""
    proof = tried(name)

    assert (proof.faults, proof.missing) == ((), "")
    assert proof.examples == len(example_types(name)) > 0
    assert proof.vectors == sum(vector.preset == name for vector in published())


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_anybody_can_send_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that takes everything is told so, of every kind of sender."""
    monkeypatch.setitem(prove.__globals__, "receive", lambda endpoint, sent: sent)
    take(monkeypatch, lambda _: True)
    monkeypatch.setitem(prove.__globals__, "identify_each", lambda _: [])

    faults = " ".join(tried(name).faults)

    assert "with another signature it is taken" in faults
    assert "signed by another key it is taken" in faults
    assert "unsigned it is taken" in faults
    is_timed = getattr(PROVIDERS[name].scheme, "timestamp", None) is not None
    assert ("with another timestamp it is taken" in faults) or not is_timed
    is_whole = PROVIDERS[name].scheme.assurance == "body"
    assert ("with another body it is taken" in faults) or not is_whole


@pytest.mark.parametrize(
    ("name", "takes", "what"),
    [
        ("stripe", lambda delivery: not delivery.body.startswith(b"{"), "body"),
        ("stripe", lambda delivery: not delivery.body.endswith(b"}"), "body"),
        ("paypal", lambda delivery: not delivery.body.endswith(b"}"), "body"),
        ("slack", lambda d: d.headers["x-slack-request-timestamp"] == f"{NOW + 1}", "timestamp"),
        ("stripe", lambda d: f"t={NOW + 1}" in d.headers["stripe-signature"], "timestamp"),
        ("mailgun", lambda delivery: f'"{NOW + 1}"'.encode() in delivery.body, "timestamp"),
    ],
)
def test_one_thing_that_is_not_looked_at_is_found(
    name: str, takes: Takes, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all the rest is."""
    take(monkeypatch, takes)

    faults = tried(name).faults

    assert faults
    assert {fault.partition(": ")[2] for fault in faults} == {
        f"with another {what} it is taken all the same"
    }


def test_an_event_of_another_type_is_found() -> None:
    """What it is taken for is said."""
    proof = tried("stripe", event=Places(id="{body.id}", type="{body.nothing}"))

    assert set(proof.faults) == {
        f"{name}: it is taken for unidentified" for name in example_types("stripe")
    }


def test_a_scheme_that_is_not_its_senders_is_found_by_what_that_has_published() -> None:
    """Our own signing agrees with it all the same."""
    scheme = PROVIDERS["github"].scheme
    assert isinstance(scheme, Signature)

    faults = tried("github", scheme=replace(scheme, algorithm="hmac-sha512")).faults

    page = "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"
    assert faults == (
        f"the delivery published at {page} is signature_mismatch",
        f"the delivery published at {page} would be signed otherwise",
    )


def test_what_its_sender_signs_and_is_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason."""
    monkeypatch.setattr("relay.proving.sender.sign", unsigned)

    faults = tried("unipile").faults

    assert "message.new: what its sender signs is refused as signature_missing" in faults


def test_a_preset_without_an_example_is_found() -> None:
    """Else it would hold for want of anything to try."""
    proof = prove(replace(PROVIDERS["stripe"], name="unheard-of"), NOW)

    assert proof.faults == ("there is no example of what its sender sends",)


def test_who_needs_what_is_not_installed_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what is missing, and the others are tried."""
    monkeypatch.setitem(prove.__globals__, "is_missing", lambda: True)

    assert tried("discord") == Proof(name="discord", missing=extra.MISSING)
    assert tried("plaid").missing == tried("aws-sns").missing == extra.MISSING
    assert tried("github").examples > 0


def test_what_is_published_has_its_length() -> None:
    """So that no editor changed the end of its line."""
    (body,) = (vector.body for vector in published() if vector.preset == "sendgrid")

    assert len(body) == 327


def test_each_vector_is_of_a_preset_and_has_its_page() -> None:
    """A name that is misspelt would be tried by nobody."""
    assert {vector.preset for vector in published()} <= set(PROVIDERS)
    assert all(vector.source.startswith("https://") for vector in published())
