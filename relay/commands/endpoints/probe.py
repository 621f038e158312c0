"""Requests that store nothing, made for one endpoint: what is sent, and what must come back.

What must come back is what our own verification says to the same request, so every kind of sender
has its own words without a table of them.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from multidict import CIMultiDict

from relay.commands.providers.facts import has_signed_time
from relay.contract.errors import DeliveryRefused, SignatureRefused
from relay.contract.examples import example_types, make_example
from relay.endpoint import Endpoint, Secret
from relay.handshake import Answered, Asked, Handshakes
from relay.provider import Handshake
from relay.proving.sender import SECRET_BYTES, Sent, make_sender, receive
from relay.verify import CannotSign, Unsent, sign, verify
from relay.verify.extra import is_missing

# Older than any tolerance there can be: what is signed with the right secret stands in the refusal
# log, and must not pass there whatever an operator allows, as an example that nobody has sent.
AGE_SECONDS = 40 * 24 * 3600
USUAL_TYPE = "message.new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request, and what the gateway must say to it.

    Args:
        name: A word for it.
        text: What it is, to be followed by what came of it.
        method: Of the request.
        headers: Names in lower case.
        body: Its bytes.
        query: Without ``?``.
        status: What must be answered.
        reason: Why it must be refused; empty for a handshake.
        answer: What must be answered to a handshake.
        secret: Where the secret is that the answer proves; empty where it proves none.
    """

    name: str
    text: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    query: str = ""
    status: int = 401
    reason: str = ""
    answer: Answered | None = None
    secret: str = ""


async def probes(endpoint: Endpoint, now_seconds: int) -> list[Probe]:
    """Make the requests that an endpoint's kind of sender allows.

    Args:
        endpoint: With the secrets that are here and count now.
        now_seconds: Unix seconds.

    Returns:
        At least one, unless the endpoint takes what proves nothing.
    """
    takes_all = endpoint.dry_run or endpoint.provider.scheme.family == "none"
    refused = [] if takes_all else _refusals(endpoint, now_seconds)
    made = [
        *refused,
        *[await _greeting(endpoint, each) for each in endpoint.provider.handshakes],
    ]
    return [probe for probe in made if probe is not None]


def usual_type(provider: str) -> str:
    """Give the type of example that is sent of a kind of sender."""
    known = example_types(provider)
    return USUAL_TYPE if not known or USUAL_TYPE in known else known[0]


def _refusals(endpoint: Endpoint, now_seconds: int) -> list[Probe | None]:
    return [
        _unsigned(endpoint, now_seconds),
        _foreign(endpoint, now_seconds),
        *(_too_old(endpoint, secret, now_seconds) for secret in endpoint.secrets),
    ]


def _unsigned(endpoint: Endpoint, now_seconds: int) -> Probe | None:
    unsent, text = _unsent(endpoint, now_seconds), "A delivery without proof"
    if endpoint.provider.scheme.family == "sns":
        # Of an own topic, and without a certificate that the gateway would fetch.
        body = msgspec.json.encode({"TopicArn": min(endpoint.topics)})
        reason = "signature_malformed"
        return Probe(name="unsigned", text=text, headers=unsent.headers, body=body, reason=reason)
    sent = Sent(headers=unsent.headers, body=unsent.body, query="", at=now_seconds)
    return _refused(endpoint, sent, now_seconds, name="unsigned", text=text)


def _foreign(endpoint: Endpoint, now_seconds: int) -> Probe | None:
    """Sign with a key that nobody has; of senders with certificates there is none to be made."""
    provider = endpoint.provider
    if provider.scheme.has_certificate or (provider.needs_extra and is_missing()):
        return None
    sender = make_sender(provider, secrets.token_hex(SECRET_BYTES // 2).encode(), now_seconds)
    foreign = replace(endpoint, secrets=sender.endpoint.secrets)
    sent = _signed(foreign, now_seconds, sender.key)
    if sent is None:
        return None
    text = "A delivery with another secret"
    return _refused(endpoint, sent, now_seconds, name="other_secret", text=text)


def _too_old(endpoint: Endpoint, secret: Secret, now_seconds: int) -> Probe | None:
    """Sign with the secret itself, and too long ago: it is judged first, and the age then."""
    if not has_signed_time(endpoint.provider.scheme) or endpoint.provider.has_public_key:
        return None
    age = endpoint.tolerance_seconds + endpoint.late_tolerance_seconds + AGE_SECONDS
    sent = _signed(replace(endpoint, secrets=(secret,)), now_seconds - age, None)
    if sent is None:
        return None
    text = f"A delivery with the secret from {secret.name}, 40 days too old"
    probe = _refused(endpoint, sent, now_seconds, name="too_old", text=text)
    if probe is None or probe.reason != "timestamp_too_old":
        return None
    return replace(probe, secret=secret.name)


def _unsent(endpoint: Endpoint, at: int) -> Unsent:
    provider = endpoint.provider.name
    example = make_example(
        provider, usual_type(provider), datetime.fromtimestamp(at, UTC), renamed=endpoint.renamed
    )
    return Unsent(
        endpoint=endpoint,
        body=example.body,
        at=at,
        headers=example.headers,
        event_id=example.id,
    )


def _signed(endpoint: Endpoint, at: int, key: bytes | None) -> Sent | None:
    unsent = _unsent(endpoint, at)
    try:
        signed = sign(msgspec.structs.replace(unsent, key=key))
    except CannotSign:
        return None
    headers = {**unsent.headers, **signed.headers}
    return Sent(headers=headers, body=signed.body, query=signed.query, at=at)


def _refused(
    endpoint: Endpoint, sent: Sent, now_seconds: int, *, name: str, text: str
) -> Probe | None:
    """Make a probe of what is sure to be refused; what is not is never sent."""
    try:
        verify(receive(endpoint, replace(sent, at=now_seconds)))
    except SignatureRefused as refusal:
        return Probe(
            name=name,
            text=text,
            headers=sent.headers,
            body=sent.body,
            query=sent.query,
            reason=refusal.reason,
        )
    return None


async def _greeting(endpoint: Endpoint, handshake: Handshake) -> Probe | None:
    """Try the endpoint as its sender does, where that leaves nothing behind."""
    if not handshake.is_in_head or handshake.then != "nothing" or handshake.method == "POST":
        return None
    headers, query = CIMultiDict[str](), {}
    for place, value in _values(endpoint, handshake):
        source, _, name = place.partition(".")
        if source == "header":
            headers[name] = value
        else:
            query[name] = value
    asked = Asked(endpoint, handshake.method, headers, urlencode(query))
    try:
        answered = await Handshakes().at_head(asked)
    except DeliveryRefused:
        return None
    is_proof = handshake.is_keyed and endpoint.secrets
    return Probe(
        name="handshake",
        text=f"The {handshake.method} with which the sender tries the endpoint",
        method=handshake.method,
        headers=dict(headers),
        query=asked.query,
        status=answered.status if answered else 200,
        answer=answered,
        secret=endpoint.secrets[0].name if is_proof else "",
    )


def _values(endpoint: Endpoint, handshake: Handshake) -> Iterator[tuple[str, str]]:
    if handshake.place:
        yield handshake.place, str(handshake.value or "try")
    if handshake.has_challenge:
        origins = sorted(endpoint.origins - {"*"}) or ["example.com"]
        challenge = origins[0] if handshake.guard == "origin" else secrets.token_hex(16)
        yield handshake.challenge_place, challenge
    if handshake.guard == "token" and endpoint.verify_token is not None:
        token = endpoint.verify_token.reveal().decode("utf-8", "surrogateescape")
        yield handshake.token, token
