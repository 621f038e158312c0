"""What is said of families that have causes of their own."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from relay.endpoint import Endpoint
from relay.explain import Explanation
from relay.provider import Provider
from relay.scheme import Basic, Jwt, Scheme, Signature, Timestamp, Token
from relay.verify import Unsent, sign, verify
from tests.making import NOW, NOW_MS, make_endpoint
from tests.relay.explain.receiving import explain_now, received, received_of
from tests.relay.providers.senders import sender_of
from tests.relay.providers.sending import a_delivery, remade

BODY = b'{"id":"evt_1","type":"a"}'


def endpoint_of(scheme: Scheme, *secrets: str, **changes: Any) -> Endpoint:
    """Make an endpoint of a made-up sender."""
    provider = Provider(name="made-up", title="Made up", scheme=scheme)
    return make_endpoint(*(secrets or ("a secret",)), name="made-up", provider=provider, **changes)


def said_of(endpoint: Endpoint, headers: dict[str, str], body: bytes = BODY) -> Explanation:
    """Explain what came for an endpoint."""
    return explain_now(endpoint, received(headers, body))


TOKEN = Token(family="token", place="header.x-token", prefix="Bearer")


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"x-token": "a secret"}, "The header x-token does not begin with Bearer."),
        ({"x-token": "Bearer other"}, "The secret that came is none of the endpoint's"),
        ({"x-token": "Bearer a secret"}, "It passes now with the variable TEST"),
        ({}, "The header x-token did not come"),
    ],
)
def test_a_static_secret_is_explained(headers: dict[str, str], cause: str) -> None:
    """It is compared as it is, and never shown."""
    assert cause in said_of(endpoint_of(TOKEN), headers).cause


def basic(text: str) -> dict[str, str]:
    """Write credentials."""
    return {"authorization": f"Basic {b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"authorization": "Bearer abc"}, "does not hold Basic credentials, but Bearer"),
        ({"authorization": "abc"}, "does not hold Basic credentials."),
        ({"authorization": "Basic ?"}, "are no base64"),
        (basic("user:wrong"), "User and password that came is none of the endpoint's"),
        (basic("user:password\n"), "the sender's ends with a line break"),
    ],
)
def test_credentials_are_explained(headers: dict[str, str], cause: str) -> None:
    """A word of another scheme is named, and nothing else of them."""
    endpoint = endpoint_of(Basic(family="basic"), "user:password")

    assert cause in said_of(endpoint, headers).cause


JWT = Jwt(
    family="jwt", header="authorization", prefix="Bearer", algorithm="HS256", claim="digest",
    issuer="Sender",
)  # fmt: skip


def token_headers(
    scheme: Jwt = JWT, secret: str = "a secret", body: bytes = BODY
) -> dict[str, str]:
    """Make the header of a token."""
    return sign(Unsent(endpoint=endpoint_of(scheme, secret), body=body, at=NOW)).headers


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        (token_headers(), "It passes now with the variable TEST"),
        (token_headers(secret="another"), "No secret of the endpoint made this signature"),
        (token_headers(secret="a secret\n"), "the sender's ends with a line break"),
        (token_headers(body=BODY.replace(b" ", b"") + b"x"), "digest of the body in it is of anot"),
        (token_headers(body=BODY + b"\n"), "the same body with a line break at its end"),
        (token_headers(replace(JWT, issuer="Other")), "its issuer is Other and not Sender"),
        (token_headers(replace(JWT, issuer=None)), "its issuer is nobody and not Sender"),
        ({"authorization": "Bearer a.b"}, "it has 2 parts between its points"),
        ({"authorization": "Bearer eyJhbGciOiJub25lIn0.e30.AAAA"}, "made with none, and the sche"),
        ({"authorization": "Bearer e30.e30.AAAA"}, "made with nothing, and the scheme has HS256"),
    ],
)
def test_a_token_is_explained(headers: dict[str, str], cause: str) -> None:
    """The token may be right and be about something else."""
    assert cause in said_of(endpoint_of(JWT), headers).cause


def test_a_message_of_a_strange_topic_is_named() -> None:
    """Everyone's messages are signed alike."""
    delivery = a_delivery("aws-sns")
    endpoint = replace(delivery.endpoint, topics=frozenset({"arn:aws:sns:eu-west-1:1:other"}))
    explanation = explain_now(endpoint, received_of(delivery))

    assert "The message is of the topic arn:aws:sns:" in explanation.cause


def test_a_message_that_was_signed_otherwise_is_named() -> None:
    """Something in it was changed."""
    delivery = a_delivery("aws-sns")
    body = delivery.body.replace(b'"MessageId":"', b'"MessageId":"0')
    explanation = explain_now(delivery.endpoint, received_of(delivery, body=body))

    assert explanation.cause.startswith("The message was not signed with the certificate")


@pytest.mark.parametrize("certificate", ["its own", "none"])
def test_a_certificate_from_elsewhere_is_named(certificate: str) -> None:
    """It is never fetched from there."""
    delivery = a_delivery("paypal")
    headers = {**delivery.headers, "paypal-cert-url": "https://evil.example/cert"}
    own = delivery.endpoint.certificate if certificate == "its own" else None
    endpoint = replace(delivery.endpoint, certificate=own)
    request = received_of(delivery, headers=headers, certificate=None)
    explanation = explain_now(endpoint, request)

    assert explanation.verdict == "signature_malformed"
    assert explanation.cause == (
        "The delivery names no certificate of PayPal but one at https://evil.example/cert."
    )


def test_the_topic_is_looked_at_before_the_certificate() -> None:
    """As the gateway does."""
    delivery = a_delivery("aws-sns")
    body = delivery.body.replace(b"https://sns.us-east-1", b"https://evil.us-east-1")
    foreign = replace(delivery.endpoint, topics=frozenset({"other"}))
    request = received_of(delivery, body=body, certificate=None)

    assert explain_now(foreign, request).verdict == "signature_mismatch"
    assert explain_now(delivery.endpoint, request).verdict == "signature_malformed"


@pytest.mark.parametrize("name", ["aws-sns", "paypal"])
def test_without_its_certificate_a_delivery_is_not_judged(name: str) -> None:
    """It is fetched by the gateway, and nothing is fetched here."""
    delivery = a_delivery(name)
    endpoint = replace(delivery.endpoint, certificate=None)
    explanation = explain_now(endpoint, received_of(delivery, certificate=None))

    assert explanation.verdict == "not_judged"
    assert "the certificate of its sender is not here" in explanation.cause


def test_a_transmission_for_another_webhook_is_named() -> None:
    """The id is signed, and the operator wrote it."""
    delivery = a_delivery("paypal")
    endpoint = replace(delivery.endpoint, webhook_id="OTHER")
    explanation = explain_now(endpoint, received_of(delivery))

    assert explanation.cause.startswith("The transmission was made for another webhook")


def test_a_transmission_without_a_header_is_named() -> None:
    """A proxy took one of them."""
    delivery = a_delivery("paypal")
    headers = {name: text for name, text in delivery.headers.items() if "time" not in name}
    explanation = explain_now(delivery.endpoint, received_of(delivery, headers=headers))

    assert explanation.cause.startswith("The header paypal-transmission-time did not come")


MS = Signature(
    header="x-signature",
    signed="{timestamp}.{body}",
    timestamp=Timestamp(source="header.x-time", unit="milliseconds"),
)


def test_seconds_that_are_read_as_milliseconds_are_named() -> None:
    """They are a moment in January 1970."""
    endpoint = endpoint_of(MS)
    seconds = replace(MS, timestamp=Timestamp(source="header.x-time"))
    headers = sign(Unsent(endpoint=endpoint_of(seconds), body=BODY, at=NOW)).headers
    explanation = said_of(endpoint, headers)

    assert "its time is in seconds, and is read in milliseconds" in explanation.cause


def test_a_time_in_a_header_that_did_not_come_is_named() -> None:
    """The signature's own header is there."""
    headers = sign(Unsent(endpoint=endpoint_of(MS), body=BODY, at=NOW)).headers
    del headers["x-time"]
    explanation = said_of(endpoint_of(MS), headers)

    assert explanation.cause.startswith("There is no time: the header x-time did not come")


def test_a_time_in_the_body_that_is_not_there_is_named() -> None:
    """The body is signed as it is."""
    delivery = a_delivery("linear")
    sender = sender_of("linear")
    headers = sign(Unsent(endpoint=sender.endpoint, body=BODY, at=NOW)).headers
    explanation = explain_now(delivery.endpoint, received(headers, BODY))

    assert "the body has no time in milliseconds where the scheme says" in explanation.cause


def test_a_token_that_was_used_is_not_used_up_by_an_explanation() -> None:
    """What is tried leaves no trace where the gateway judges."""
    delivery = a_delivery("mailgun")
    other = remade(delivery, body=delivery.body.replace(b'"event-data":{', b'"event-data":{"a":1,'))
    explain_now(other.endpoint, received_of(other))

    assert verify(delivery).assurance == "sender"


def test_a_token_that_had_come_before_may_be_why_it_was_refused() -> None:
    """Nobody remembers it here."""
    delivery = a_delivery("mailgun")
    request = received_of(delivery, received_at_ms=NOW_MS)
    explanation = explain_now(delivery.endpoint, request, reason="signature_mismatch")

    assert explanation.verdict == "passes"
    assert "its signature.token had come with another event" in explanation.remedy
