"""Deliveries of every preset, and the same ones received otherwise."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from relay.contract.errors import SignatureRefused
from relay.contract.examples import Example, example_types, make_example
from relay.delivery import Delivery
from relay.providers import PROVIDERS
from relay.scheme import Signature
from relay.verify import examine_head, verify
from tests.making import NOW
from tests.relay.providers.senders import CERTIFIED, sender_of

# The others have a certificate, and tests of their own in which anything signed is changed.
KEYED = [name for name in PROVIDERS if name not in CERTIFIED]


def an_example(name: str) -> Example:
    """Make a preset's first example."""
    return make_example(name, example_types(name)[0], datetime.fromtimestamp(NOW, UTC))


def a_delivery(name: str) -> Delivery:
    """Send it, signed."""
    return sender_of(name).send(an_example(name), NOW)


def with_body(delivery: Delivery, body: bytes) -> Delivery:
    """Receive it with another body."""
    return remade(delivery, body=body)


def remade(delivery: Delivery, **changes: Any) -> Delivery:
    """Receive it otherwise, with what its head claims then.

    Raises:
        SignatureRefused: By its head.
    """
    values = {name: getattr(delivery, name) for name in delivery.__struct_fields__} | changes
    if "claim" not in changes:
        values["claim"] = examine_head(values["endpoint"], values["headers"])
    return Delivery(**values)


def refused(make: Callable[[], Delivery]) -> str | None:
    """Give the reason of a refusal, or none where it was accepted; let everything else escape."""
    try:
        verify(make())
    except SignatureRefused as refusal:
        return refusal.reason
    return None


def headers_of(name: str) -> list[str]:
    """Give the headers that a preset reads for its proof."""
    scheme = PROVIDERS[name].scheme
    if isinstance(scheme, Signature):
        where, time = scheme.timestamp.place if scheme.timestamp else ("", "")
        return [*scheme.headers[:2], *scheme.signed_headers, *([time] if where == "header" else [])]
    if scheme.family == "basic":
        return ["authorization"]
    if scheme.family == "paypal":
        return [f"paypal-{part}" for part in ("transmission-sig", "transmission-time", "cert-url")]
    place = getattr(scheme, "header", getattr(scheme, "place", "")).removeprefix("header.")
    return [place] if place and not place.startswith("body.") else ["content-type"]
