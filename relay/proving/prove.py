"""What is tried of a preset: its examples, the same with something changed, and vectors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from relay.contract.errors import SignatureRefused
from relay.contract.examples import Example, example_types, make_example
from relay.delivery import VerifiedDelivery
from relay.endpoint import Endpoint, Secret
from relay.identify import identify_each
from relay.provider import Provider
from relay.proving.changes import changed
from relay.proving.sender import SECRET_BYTES, Sender, Sent, make_sender, receive
from relay.proving.vectors import Vector, published
from relay.verify import CannotSign, Unsent, sign, verify
from relay.verify.extra import MISSING, is_missing

SECRET = b"1" * SECRET_BYTES
OTHER_SECRET = b"2" * SECRET_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of trying a preset.

    Args:
        name: Of the preset.
        examples: How many kinds of events were sent.
        vectors: How many deliveries that its sender has published were looked at.
        faults: What was wrong, a sentence each.
        missing: What is not installed, so that nothing could be tried.
    """

    name: str
    examples: int = 0
    vectors: int = 0
    faults: tuple[str, ...] = ()
    missing: str = ""


def prove(provider: Provider, at: int) -> Proof:
    """Try a preset.

    Args:
        provider: The preset.
        at: The present, Unix seconds.
    """
    if provider.needs_extra and is_missing():
        return Proof(name=provider.name, missing=MISSING)
    types = example_types(provider.name)
    vectors = [vector for vector in published() if vector.preset == provider.name]
    own, other = (make_sender(provider, secret, at) for secret in (SECRET, OTHER_SECRET))
    faults = [
        f"{event_type}: {fault}"
        for event_type in types
        for fault in _example_faults(own, other, event_type, at)
    ]
    faults += [fault for vector in vectors for fault in _vector_faults(provider, vector)]
    if not types:
        faults.append("there is no example of what its sender sends")
    return Proof(
        name=provider.name, examples=len(types), vectors=len(vectors), faults=tuple(faults)
    )


def _example_faults(own: Sender, other: Sender, event_type: str, at: int) -> Iterator[str]:
    """Send one event as its sender does, and as nobody does who may."""
    example = make_example(own.endpoint.provider.name, event_type, datetime.fromtimestamp(at, UTC))
    try:
        sent, foreign = own.send(example, at), other.send(example, at)
    except CannotSign as fault:
        yield str(fault)
        return
    verified = _verified(own.endpoint, sent)
    if isinstance(verified, str):
        yield f"what its sender signs is refused as {verified}"
        return
    found = {each.event.type for each in identify_each(verified)}
    if found != {event_type}:
        yield f"it is taken for {', '.join(sorted(found))}"
    yield from _taken_in_error(own, example, sent, foreign)


def _taken_in_error(own: Sender, example: Example, sent: Sent, foreign: Sent) -> Iterator[str]:
    scheme = own.endpoint.provider.scheme
    if scheme.family == "none":
        return
    for what, each in changed(scheme, sent):
        if not isinstance(_verified(own.endpoint, each), str):
            yield f"with another {what} it is taken all the same"
    if not isinstance(_verified(own.endpoint, foreign), str):
        yield "signed by another key it is taken all the same"
    unsigned = replace(sent, headers=example.headers, body=example.body)
    if not isinstance(_verified(own.endpoint, unsigned), str):
        yield "unsigned it is taken all the same"


def _vector_faults(provider: Provider, vector: Vector) -> Iterator[str]:
    endpoint = Endpoint(
        name="sender",
        provider=provider,
        secrets=(Secret(vector.secret, "published"),),
        public_url=vector.url,
    )
    signature = {vector.header: vector.value} if vector.header else {}
    headers = {**vector.headers, **signature}
    sent = Sent(headers=headers, body=vector.body, query=vector.query, at=vector.at)
    verified = _verified(endpoint, sent)
    if vector.is_taken is isinstance(verified, str):
        became = verified if isinstance(verified, str) else "taken"
        yield f"the delivery published at {vector.source} is {became}"
    if vector.is_taken and vector.is_repeatable:
        unsent = Unsent(
            endpoint=endpoint,
            body=vector.body,
            at=vector.at,
            headers=vector.headers,
            query=vector.query,
        )
        if sign(unsent).headers.get(vector.header, "") != vector.value:
            yield f"the delivery published at {vector.source} would be signed otherwise"


def _verified(endpoint: Endpoint, sent: Sent) -> VerifiedDelivery | str:
    """Verify a delivery, or say for which reason it is refused."""
    try:
        return verify(receive(endpoint, sent))
    except SignatureRefused as refusal:
        return refusal.reason
