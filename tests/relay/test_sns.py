"""Messages of SNS: what is signed, and who signed it."""

import base64
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from relay.contract.errors import SignatureRefused
from relay.delivery import Certificate, Delivery
from relay.providers import PROVIDERS
from relay.verify import verify
from relay.verify.sns import sign_message, signed_text, verify_message
from tests.issuing import NOW, issue, private_pem, rsa_key
from tests.making import make_delivery, make_endpoint

REFUSED = "signature_mismatch"
SIGNER = issue("sns.amazonaws.com")
OTHER = issue("sns.amazonaws.com", key=rsa_key("another"))
NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
    "Subject": "My First Message",
    "Message": "Hello world!\nZwei Zeilen – ja",
    "Timestamp": "2012-05-02T00:54:06.655Z",
}
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
    "Timestamp": "2012-04-26T20:45:04.751Z",
}
KINDS = [NOTIFICATION, CONFIRMATION, {**CONFIRMATION, "Type": "UnsubscribeConfirmation"}]
# Of JSON's escapes, half a pair makes a text that no bytes stand for.
TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def verified(message: dict[str, Any], pem: bytes = SIGNER.pem, **options: Any) -> bool:
    """Judge a message at the moment for which the certificates are made."""
    return verify_message(message, pem, **{"now_seconds": NOW, **options})


def test_the_signed_text_is_as_published() -> None:
    """Names and values by turns, in byte order of the names, a line each."""
    assert (
        signed_text({**NOTIFICATION, "UnsubscribeURL": "x"})
        == (
            "Message\nHello world!\nZwei Zeilen – ja\n"
            "MessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\n"
            "Subject\nMy First Message\nTimestamp\n2012-05-02T00:54:06.655Z\n"
            "TopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nNotification\n"
        ).encode()
    )
    assert signed_text(CONFIRMATION) == (
        b"Message\nYou have chosen to subscribe to the topic.\n"
        b"MessageId\n165545c9-2a5c-472c-8df2-7ff2be2b3b1b\n"
        b"SubscribeURL\nhttps://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription\n"
        b"Timestamp\n2012-04-26T20:45:04.751Z\nToken\n2336412f37\n"
        b"TopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nSubscriptionConfirmation\n"
    )


@pytest.mark.parametrize("subject", [{}, {"Subject": None}])
def test_a_message_without_a_subject_has_none_in_its_text(subject: dict[str, None]) -> None:
    """The key is left out, with its line."""
    rest = {key: value for key, value in NOTIFICATION.items() if key != "Subject"}

    assert b"Subject" not in (signed_text({**rest, **subject}) or b"Subject")


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("message", KINDS, ids=lambda message: message["Type"])
def test_what_sns_signs_is_verified(message: dict[str, str], version: str) -> None:
    """In both versions, for each kind of message."""
    assert verified(sign_message(message, SIGNER.key_pem, version=version))


@pytest.mark.parametrize(("version", "digest"), [("1", "-sha1"), ("2", "-sha256")])
def test_what_openssl_signs_is_verified(tmp_path: Path, version: str, digest: str) -> None:
    """Another implementation makes the same signature of the published text."""
    key, text = tmp_path / "key.pem", tmp_path / "text"
    key.write_bytes(SIGNER.key_pem)
    text.write_text(
        "Message\nm\nMessageId\ni\nTimestamp\nt\nTopicArn\na\nType\nNotification\n", "utf-8"
    )
    made = subprocess.run(
        ["openssl", "dgst", digest, "-sign", str(key), str(text)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    message = {
        "Type": "Notification",
        "Message": "m",
        "MessageId": "i",
        "Timestamp": "t",
        "TopicArn": "a",
        "SignatureVersion": version,
        "Signature": base64.b64encode(made.stdout).decode(),
    }

    assert verified(message)
    assert not verified({**message, "SignatureVersion": "21"[int(version) - 1]})


@pytest.mark.parametrize("message", KINDS, ids=lambda message: message["Type"])
def test_every_signed_key_counts(message: dict[str, str]) -> None:
    """A key that is changed or missing is refused, each by itself."""
    signed = sign_message(message, SIGNER.key_pem)
    for key in message:
        without = {name: value for name, value in signed.items() if name != key}

        assert not verified({**signed, key: signed[key] + "x"})
        assert not verified(without)


@given(data=st.data())
def test_a_single_changed_bit_is_refused(data: st.DataObject) -> None:
    """In any signed value, and in the signature."""
    signed = sign_message(NOTIFICATION, SIGNER.key_pem)
    key = data.draw(st.sampled_from([*NOTIFICATION, "Signature", "SignatureVersion"]))
    at = data.draw(st.integers(0, len(signed[key]) - 1))
    bit = data.draw(st.integers(0, 6))
    letter = chr(ord(signed[key][at]) ^ (1 << bit))

    assert not verified({**signed, key: signed[key][:at] + letter + signed[key][at + 1 :]})


@given(data=st.data(), value=JSON, kind=st.sampled_from(KINDS))
def test_any_json_where_a_signed_text_belongs_is_refused(
    data: st.DataObject, value: object, kind: dict[str, str]
) -> None:
    """Nothing is raised, whatever stands there."""
    signed: dict[str, Any] = sign_message(kind, SIGNER.key_pem)
    key = data.draw(st.sampled_from([*kind, "Signature", "SignatureVersion"]))

    assert verified({**signed, key: value}) is (signed[key] == value)


@given(st.dictionaries(st.text() | st.sampled_from(list(CONFIRMATION)), JSON), st.binary())
def test_any_message_and_any_certificate_are_refused(message: dict[str, Any], pem: bytes) -> None:
    """Nothing is raised, whatever was sent or fetched."""
    signed = sign_message(NOTIFICATION, SIGNER.key_pem)

    assert not verified(message)
    assert not verified(dict(signed), pem)
    assert not verified(dict(signed), SIGNER.pem[: len(SIGNER.pem) // 2] + pem)


@pytest.mark.parametrize(
    "key", ["MessageId", "Subject", "Timestamp", "TopicArn", "Token", "SubscribeURL"]
)
def test_only_the_message_has_lines(key: str) -> None:
    """Else the borders between keys could be moved, and the signature would hold."""
    kind = NOTIFICATION if key in NOTIFICATION else CONFIRMATION

    assert signed_text({**kind, key: f"a\n{key}\nb"}) is None


@pytest.mark.parametrize("key", ["Message", "Subject"])
def test_half_a_pair_is_refused(key: str) -> None:
    """JSON can say it, but it has no bytes that could have been signed."""
    signed = sign_message(NOTIFICATION, SIGNER.key_pem)

    assert not verified({**signed, key: json.loads(r'"\ud800"')})


def test_borders_between_keys_cannot_be_moved() -> None:
    """A publisher of the topic cannot choose the id that the event is known by."""
    forged = "m\nMessageId\nchosen\nSubject\ns"
    signed = sign_message({**NOTIFICATION, "Message": forged}, SIGNER.key_pem)
    moved = {
        **signed,
        "Message": "m",
        "MessageId": "chosen",
        "Subject": f"s\nMessageId\n{NOTIFICATION['MessageId']}\nSubject\n{NOTIFICATION['Subject']}",
    }

    assert verified(dict(signed))
    assert not verified(moved)


@pytest.mark.parametrize("moment", [NOW - 31 * 86400, NOW + 31 * 86400])
def test_a_certificate_counts_within_its_dates(moment: float) -> None:
    """Not before, and not after."""
    signed = sign_message(NOTIFICATION, SIGNER.key_pem)

    assert not verified(dict(signed), now_seconds=moment)


def test_another_key_is_refused() -> None:
    """The certificate has the name of SNS, and not its key."""
    assert not verified(dict(sign_message(NOTIFICATION, OTHER.key_pem)))


def test_a_certificate_of_another_kind_of_key_is_refused() -> None:
    """SNS signs with RSA; nothing is raised for anything else."""
    short = issue("short", key=rsa_key("short", 1024))
    curve = issue("curve", key=ec.generate_private_key(ec.SECP256R1()))
    edwards = issue("edwards", key=ed25519.Ed25519PrivateKey.generate(), by=SIGNER)
    signed = sign_message(NOTIFICATION, short.key_pem)

    assert [odd for odd in (short, curve, edwards) if verified(dict(signed), odd.pem)] == []


@pytest.mark.parametrize(
    ("topics", "reason"),
    [
        ({NOTIFICATION["TopicArn"]}, None),
        ({NOTIFICATION["TopicArn"] + "s", "arn:aws:sns:us-west-2:210987654321:MyTopic"}, REFUSED),
        (set(), REFUSED),
    ],
)
def test_a_message_of_another_topic_is_refused_though_sns_signed_it(
    topics: set[str], reason: str | None
) -> None:
    """By what verifies, whatever was looked at before the certificate was fetched."""
    endpoint = make_endpoint(provider=PROVIDERS["aws-sns"], topics=frozenset(topics))
    at = {"Timestamp": datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    body = json.dumps(sign_message(NOTIFICATION | at, SIGNER.key_pem)).encode()
    delivery = structs.replace(
        make_delivery(body, endpoint=endpoint, received_at_ms=int(1000 * NOW)),
        certificate=Certificate(SIGNER.pem, SIGNER.pem),
    )

    assert refusal_of(delivery) == reason


def refusal_of(delivery: Delivery) -> str | None:
    """Give the reason of a refusal; none where it is taken."""
    try:
        verify(delivery)
    except SignatureRefused as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize("version", ["2", "3", 1, None])
def test_a_version_that_was_not_signed_with_is_refused(version: object) -> None:
    """The version is not signed, and the message chooses it among two."""
    first = sign_message(NOTIFICATION, SIGNER.key_pem, version="1")

    assert verified(dict(first))
    assert not verified({**first, "SignatureVersion": version})


def test_a_signature_has_one_spelling() -> None:
    """Blanks, line breaks, another alphabet, and spare bits are refused."""
    signed = sign_message(NOTIFICATION, SIGNER.key_pem)
    good = signed["Signature"]
    bent = [f" {good}", f"{good}\n", good.rstrip("="), f"{good}=", good[:64] + "\n" + good[64:]]
    bent += [good[:-3] + chr(ord(good[-3]) + 1) + "==", f"{good[:-2]}", "=" * 4, "", "A" * 2000]

    assert len(base64.b64decode(good)) == 256
    assert verified(dict(signed))
    assert [text for text in bent if verified({**signed, "Signature": text})] == []


def test_the_twin_signs_only_what_sns_would() -> None:
    """A message with a key missing, a version that is none, and a key that is no RSA key."""
    odd = private_pem(ec.generate_private_key(ec.SECP256R1()))

    for message, key, version in (
        ({"Type": "Notification"}, SIGNER.key_pem, "2"),
        (NOTIFICATION, SIGNER.key_pem, "3"),
        (NOTIFICATION, odd, "2"),
    ):
        with pytest.raises(ValueError):
            sign_message(message, key, version=version)


def test_a_message_goes_through_json_as_it_was_signed() -> None:
    """What is verified is what the body's parser gives."""
    body = json.dumps(sign_message(NOTIFICATION, SIGNER.key_pem))

    assert verified(json.loads(body))
