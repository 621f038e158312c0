"""Deliveries that name a certificate: what is refused before any fetch, and what is verified."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from relay.certificates.attach import Certificates
from relay.certificates.fetch import Fetcher
from relay.contract.errors import CertificateUnavailable, HandshakeRefused, SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.handshake import Handshakes
from relay.provider import Provider
from relay.providers import PROVIDERS
from relay.scheme import PayPalSignature, SnsSignature
from relay.verify import Unsent, examine_head, sign, verify
from tests.issuing import NOW, issue
from tests.making import make_endpoint
from tests.relay.certificates.conftest import Host
from tests.relay.certificates.hostile import hostile

TOPIC = "arn:aws:sns:eu-central-1:123456789012:orders"
URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-" + 32 * "a" + ".pem"
SNS = Provider(name="aws-sns", title="SNS", scheme=SnsSignature(family="sns"))
PAYPAL = Provider(name="paypal", title="PayPal", scheme=PayPalSignature(family="paypal"))
AMAZON = issue("sns.amazonaws.com")
PAYPALS = issue("messageverificationcerts.paypal.com")
STRANGER = issue("sns.amazonaws.com", key=issue("stranger").key)


def sns(**changes: Any) -> Endpoint:
    """Make an endpoint for one topic."""
    return make_endpoint(
        **{"name": "sns", "provider": SNS, "secrets": (), "topics": frozenset({TOPIC})} | changes
    )


def message(endpoint: Endpoint, key: bytes, **changes: str) -> bytes:
    """Write a message, signed with everything in it."""
    given = {"Type": "Notification", "MessageId": "m-1", "Message": "hello"}
    unsent = Unsent(endpoint=endpoint, body=json.dumps(given).encode(), at=int(NOW), key=key)
    return json.dumps(json.loads(sign(unsent).body) | changes).encode()


def delivered(
    endpoint: Endpoint, body: bytes, headers: Mapping[str, str] | None = None
) -> Delivery:
    """Make a delivery that comes at the moment for which the certificates are made."""
    given = CIMultiDict(headers or {})
    return Delivery(
        endpoint=endpoint,
        claim=examine_head(endpoint, given),
        headers=given,
        query="",
        body=body,
        received_at_ms=int(NOW) * 1000,
    )


@pytest.fixture
async def certificates(host: Host) -> AsyncIterator[Certificates]:
    """What attaches certificates from a host of the test's own."""
    host.says(b"200 OK", AMAZON.pem)
    made = Certificates(
        Fetcher(open_session=host.session, now=lambda: NOW, clock=lambda: 0.0), PAYPALS.pem
    )
    yield made
    await made.stop()


async def test_a_message_of_an_own_topic_is_verified(
    host: Host, certificates: Certificates
) -> None:
    """Its certificate is fetched from AWS."""
    endpoint = sns()
    body = message(endpoint, AMAZON.key_pem, SigningCertURL=URL)

    verified = verify(await certificates.attach(delivered(endpoint, body)))

    assert verified.assurance == "body"
    assert host.looked_up == ["sns.eu-central-1.amazonaws.com"]


async def test_a_valid_message_of_another_topic_is_refused_before_any_fetch(
    host: Host, certificates: Certificates
) -> None:
    """AWS signs the messages of everyone's topics."""
    other = "arn:aws:sns:eu-central-1:999999999999:orders"
    theirs = sns(topics=frozenset({other}))
    body = message(theirs, AMAZON.key_pem, SigningCertURL=URL)
    # It is a good one, for whom it is meant.
    verify(await certificates.attach(delivered(theirs, body)))
    fetched = host.connections

    with pytest.raises(SignatureRefused, match="signature_mismatch"):
        await certificates.attach(delivered(sns(), body))

    assert host.connections == fetched


@pytest.mark.parametrize("url", [*hostile(URL), "", None, 7, ["x"]])
async def test_a_certificate_of_anywhere_else_is_never_fetched(
    host: Host, certificates: Certificates, url: object
) -> None:
    """The URL stands in the message, so whoever writes one could choose it."""
    endpoint = sns()
    body = json.loads(message(endpoint, AMAZON.key_pem)) | {"SigningCertURL": url}

    with pytest.raises(SignatureRefused, match=r"signature_(malformed|missing)"):
        await certificates.attach(delivered(endpoint, json.dumps(body).encode()))

    assert (host.looked_up, host.connections) == ([], 0)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b"[" * 100_000, b"7", b'{"a":1}'])
async def test_what_is_no_message_is_refused(
    host: Host, certificates: Certificates, body: bytes
) -> None:
    """Whatever it is, nothing is fetched for it."""
    with pytest.raises(SignatureRefused):
        await certificates.attach(delivered(sns(), body))
    with pytest.raises(SignatureRefused):
        verify(delivered(sns(), body))

    assert host.connections == 0


async def test_anothers_signature_is_refused(host: Host, certificates: Certificates) -> None:
    """Whoever is not AWS has not its key."""
    endpoint = sns()
    body = message(endpoint, STRANGER.key_pem, SigningCertURL=URL)
    delivery = await certificates.attach(delivered(endpoint, body))

    with pytest.raises(SignatureRefused, match="signature_mismatch"):
        verify(delivery)


async def test_an_old_message_is_refused(certificates: Certificates) -> None:
    """A signature is good for as long as the endpoint says."""
    endpoint = sns(tolerance_seconds=60)
    body = message(endpoint, AMAZON.key_pem, SigningCertURL=URL)
    delivery = delivered(endpoint, body)
    late = Delivery(
        **{name: getattr(delivery, name) for name in delivery.__struct_fields__}
        | {"received_at_ms": int(NOW) * 1000 + 61_000}
    )
    attached = await certificates.attach(late)

    with pytest.raises(SignatureRefused, match="timestamp_too_old"):
        verify(attached)


async def test_a_certificate_that_cannot_be_fetched_is_no_fault_of_the_sender(
    host: Host, certificates: Certificates
) -> None:
    """Its message is not refused for good: it comes again."""
    host.says(b"503 Away")
    endpoint = sns()
    body = message(endpoint, AMAZON.key_pem, SigningCertURL=URL)

    with pytest.raises(CertificateUnavailable):
        await certificates.attach(delivered(endpoint, body))


async def test_a_certificate_by_file_is_taken_instead(
    host: Host, certificates: Certificates
) -> None:
    """Then nothing is fetched, whatever URL the message names."""
    endpoint = sns(certificate=STRANGER.pem)
    body = message(endpoint, STRANGER.key_pem)

    verify(await certificates.attach(delivered(endpoint, body)))

    assert host.connections == 0


@pytest.mark.parametrize("roots", [PAYPALS.pem, AMAZON.pem], ids=["trusted", "not trusted"])
async def test_a_transmission_of_paypal_is_verified(
    host: Host, certificates: Certificates, roots: bytes
) -> None:
    """Its certificate must lead to a root; the body is proved no further than its checksum."""
    host.says(b"200 OK", PAYPALS.pem)
    endpoint = make_endpoint(
        name="paypal", provider=PAYPAL, secrets=(), webhook_id="1AB",
        roots=roots,
    )  # fmt: skip
    unsent = Unsent(endpoint=endpoint, body=b'{"id":"WH-1"}', at=int(NOW), key=PAYPALS.key_pem)
    delivery = delivered(endpoint, unsent.body, sign(unsent).headers)
    attached = await certificates.attach(delivery)

    if roots == PAYPALS.pem:
        assert verify(attached).assurance == "sender"
    else:
        with pytest.raises(SignatureRefused, match="signature_mismatch"):
            verify(attached)
    assert host.looked_up == ["api.paypal.com"]


SUBSCRIBE = (
    "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription"
    f"&TopicArn={TOPIC}&Token=2336412f37"
)


async def shaken(certificates: Certificates, host: Host, url: str, **changes: str) -> bool:
    """Have a signed confirmation with a URL answered; say whether it is no event."""
    endpoint = sns(provider=PROVIDERS["aws-sns"])
    given = {"Type": "SubscriptionConfirmation", "MessageId": "m-1", "Message": "hello"}
    given |= {"SubscribeURL": url, "Token": "2336412f37"} | changes
    body = json.dumps(given).encode()
    signed = sign(Unsent(endpoint=endpoint, body=body, at=int(NOW), key=AMAZON.key_pem))
    body = json.dumps(json.loads(signed.body) | {"SigningCertURL": URL}).encode()
    verified = verify(await certificates.attach(delivered(endpoint, body)))
    host.says(b"200 OK")
    return await Handshakes(confirm=certificates.confirm).signed(verified) is not None


async def test_a_subscription_to_an_own_topic_is_confirmed(
    host: Host, certificates: Certificates
) -> None:
    """At AWS, when the message was verified; other messages are none of its business."""
    confirmed = await shaken(certificates, host, SUBSCRIBE)
    host.says(b"200 OK", AMAZON.pem)
    other = await shaken(certificates, host, SUBSCRIBE, Type="Notification")

    assert (confirmed, other) == (True, False)
    assert [head.split()[1] for head in host.heads] == [
        URL.partition("amazonaws.com")[2].encode(),
        SUBSCRIBE.partition("amazonaws.com")[2].encode(),
    ]


async def test_a_subscription_to_something_else_is_not_confirmed(
    host: Host, certificates: Certificates
) -> None:
    """Also where AWS itself has signed it, no other URL is called."""
    with pytest.raises(HandshakeRefused):
        await shaken(certificates, host, SUBSCRIBE.replace("orders", "others"))

    assert len(host.heads) == 1
