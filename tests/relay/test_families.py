"""Families of schemes beside the signature in a header: what each takes, and what it refuses."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.provider import Places, Provider
from relay.scheme import (
    Basic,
    Jwt,
    Key,
    Scheme,
    Signature,
    SignatureInBody,
    Split,
    Timestamp,
    Token,
    TwilioSignature,
    Unsigned,
)
from relay.verify import CannotSign, Unsent, sign, sign_for, verify
from tests.issuing import private_pem, rsa_key
from tests.making import NOW, NOW_MS, make_delivery, make_endpoint

BODY = b'{"id":"evt_1","type":"a"}'
URL = "https://hooks.example.com/webhooks/made-up"


def endpoint_of(scheme: Scheme, *secrets: str, **changes: Any) -> Endpoint:
    """Make an endpoint of a made-up sender."""
    event = changes.pop("event", Places())
    provider = Provider(name="made-up", title="Made up", scheme=scheme, event=event)
    return make_endpoint(
        *(secrets or ("secret",)), name="made-up", provider=provider, public_url=URL, **changes
    )


def signed(endpoint: Endpoint, body: bytes = BODY, **unsent: Any) -> Delivery:
    """Make a delivery as its sender signs it."""
    made = sign(Unsent(endpoint=endpoint, body=body, at=NOW, **unsent))
    return make_delivery(made.body, made.headers, endpoint=endpoint, query=made.query)


def outcome(endpoint: Endpoint, body: bytes, headers: dict[str, str], **changes: Any) -> str:
    """Give the reason of a refusal, or what was proved."""
    try:
        return verify(make_delivery(body, headers, endpoint=endpoint, **changes)).assurance
    except SignatureRefused as refusal:
        return refusal.reason


# HTTP Basic, static secrets, nothing at all.


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic dXNlcjpwYXNz", "sender"),
        ("basic  dXNlcjpwYXNz ", "sender"),
        ("Basic dXNlcjpwYXNT", "signature_mismatch"),
        ("Basic dXNlcjpwYXNzd29yZA==", "signature_mismatch"),
        ("Basic dXNl*cjpwYXNz", "signature_malformed"),
        ("Basic", "signature_malformed"),
        ("Bearer dXNlcjpwYXNz", "signature_malformed"),
        ("", "signature_malformed"),
        ("Basic \udcff", "signature_malformed"),
        (None, "signature_missing"),
    ],
)
def test_basic_credentials(header: str | None, expected: str) -> None:
    """User and password must both be right."""
    headers = {} if header is None else {"authorization": header}

    assert outcome(endpoint_of(Basic(family="basic"), "user:pass"), BODY, headers) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("secret", "sender"),
        (" secret ", "sender"),
        ("second", "sender"),
        ("Secret", "signature_mismatch"),
        ("secret2", "signature_mismatch"),
        ("", "signature_mismatch"),
        ("\ud800", "signature_mismatch"),
        ("x" * 5000, "signature_malformed"),
        (None, "signature_missing"),
    ],
)
def test_a_static_secret_in_a_header(header: str | None, expected: str) -> None:
    """Any of the endpoint's secrets will do, as long as it is the whole text."""
    endpoint = endpoint_of(Token(family="token", place="header.x-token"), "secret", "second")

    assert outcome(endpoint, BODY, {} if header is None else {"x-token": header}) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"value": [{"state": "secret"}, {"state": "secret"}]}, "sender"),
        ({"value": [{"state": "secret"}, {"state": "other"}]}, "signature_mismatch"),
        ({"value": [{"state": "secret"}, {}]}, "signature_missing"),
        ({"value": [{"state": "secret"}, {"state": ["secret"]}]}, "signature_missing"),
        ({"value": [{"state": "secret"}, {"state": None}]}, "signature_missing"),
        ({"value": []}, "signature_missing"),
        ({"value": {"state": "secret"}}, "signature_missing"),
        ({"state": "secret"}, "signature_missing"),
        (["secret"], "signature_missing"),
    ],
)
def test_a_static_secret_in_each_element(body: object, expected: str) -> None:
    """One event with another secret spoils the delivery."""
    endpoint = endpoint_of(Token(family="token", place="body.value[].state"))

    assert outcome(endpoint, json.dumps(body).encode(), {}) == expected


def test_nothing_is_proved_where_nothing_is_asked_for() -> None:
    """It is taken, and says so."""
    endpoint = endpoint_of(Unsigned(family="none"))

    assert outcome(endpoint, b"\xff", {}) == "none"


# Twilio.

# Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security
FORM = (
    b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309"
    b"&CallSid=CA1234567890ABCDE"
)


def twilio(url: str = "https://mycompany.com/myapp.php") -> Endpoint:
    """Make an endpoint with the secret of Twilio's page."""
    provider = Provider(name="t", title="T", scheme=TwilioSignature(family="twilio"))
    return make_endpoint("12345", name="t", provider=provider, public_url=url)


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        (FORM, "foo=1&bar=2", "sender"),
        (b"&".join(reversed(FORM.split(b"&"))), "foo=1&bar=2", "sender"),
        # Nothing stands between names and values, so Twilio's own signature fits this too.
        (FORM.replace(b"Digits=1234", b"Digits1=234"), "foo=1&bar=2", "sender"),
        (FORM, "bar=2&foo=1", "signature_mismatch"),
        (FORM, "", "signature_mismatch"),
        (FORM + b"&x=", "foo=1&bar=2", "signature_mismatch"),
        (FORM.replace(b"1234&", b"1235&"), "foo=1&bar=2", "signature_mismatch"),
        (b"&".join([b"a=1"] * 2000), "foo=1&bar=2", "signature_mismatch"),
        (b"\xff\xfe", "foo=1&bar=2", "signature_mismatch"),
        (FORM, "foo=1&bar=2&bodySHA256=ab", "signature_mismatch"),
        (FORM, "foo=1&bar=2&bodySHA256=%C3%A9", "signature_mismatch"),
    ],
)
def test_twilios_published_signature(body: bytes, query: str, expected: str) -> None:
    """It covers the URL with its query, and every field whatever their order."""
    headers = {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}

    assert outcome(twilio(), body, headers, query=query) == expected


def test_twilios_other_bodies_have_a_digest_in_the_query() -> None:
    """The query is signed, and the body compared with it."""
    endpoint = twilio()
    delivery = signed(endpoint, b'{"a":1}', query="x=1")
    headers = dict(delivery.headers)

    assert verify(delivery).assurance == "sender"
    assert outcome(endpoint, b'{"a":2}', headers, query=delivery.query) == "signature_mismatch"
    without = "x=1"
    assert outcome(endpoint, b'{"a":1}', headers, query=without) == "signature_mismatch"


def test_a_text_in_twilios_form_is_no_digest_of_a_body() -> None:
    """Sent again as the query, it would sign whatever its author has taken the digest of."""
    body = b'{"type":"com.made-up"}'
    text = f"&bodySHA256={hashlib.sha256(body).hexdigest()}&"
    delivery = signed(twilio(), urlencode({"Body": text, "To": "1"}).encode(), query="a=1")

    moved = outcome(twilio(), body, dict(delivery.headers), query=f"a=1Body{text}To1")

    assert (verify(delivery).assurance, moved) == ("sender", "signature_mismatch")


def test_twilios_form_is_text() -> None:
    """Two bytes that are none would be one character, and two bodies one."""
    headers = dict(signed(twilio(), b"a=%EF%BF%BD").headers)

    assert outcome(twilio(), b"a=%EF%BF%BD", headers) == "sender"
    assert outcome(twilio(), b"a=%FF", headers) == "signature_mismatch"


def test_the_url_is_the_operators_and_not_the_requests() -> None:
    """Another ``Host`` changes nothing."""
    delivery = signed(twilio(), FORM)
    moved = twilio("https://elsewhere.example/myapp.php")
    headers = {**delivery.headers, "host": "evil.example", "x-forwarded-host": "evil.example"}

    assert outcome(twilio(), FORM, headers) == "sender"
    assert outcome(moved, FORM, headers) == "signature_mismatch"


# Tokens with a digest.


def jwt(**changes: Any) -> Jwt:
    """Make a scheme of tokens."""
    values: dict[str, Any] = {
        "family": "jwt",
        "header": "authorization",
        "algorithm": "HS256",
        "claim": "sha256",
        "prefix": "Bearer",
    }
    return Jwt(**(values | changes))


def token(head: object, claims: object, secret: bytes = b"secret") -> str:
    """Write a token, whatever it says of itself."""
    content = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)
    )
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return (content + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


DIGEST = hashlib.sha256(BODY).hexdigest()
HS256 = {"alg": "HS256"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (token(HS256, {"sha256": DIGEST}), "body"),
        ("Bearer " + token(HS256, {"sha256": DIGEST, "iat": NOW, "exp": NOW + 9}), "body"),
        (token(HS256, {"sha256": DIGEST}, b"other"), "signature_mismatch"),
        (token(HS256, {"sha256": DIGEST[:-1] + "0"}), "signature_mismatch"),
        (token(HS256, {"other": DIGEST}), "signature_mismatch"),
        (token(HS256, {"sha256": 7}), "signature_mismatch"),
        (token(HS256, [DIGEST]), "signature_mismatch"),
        (token({"alg": "none"}, {"sha256": DIGEST}), "signature_malformed"),
        (token({"alg": "HS512"}, {"sha256": DIGEST}), "signature_malformed"),
        (token({}, {"sha256": DIGEST}), "signature_malformed"),
        (token(HS256, {"sha256": DIGEST, "iat": NOW - 301}), "timestamp_too_old"),
        (token(HS256, {"sha256": DIGEST, "iat": NOW + 301}), "timestamp_in_future"),
        (token(HS256, {"sha256": DIGEST, "exp": NOW - 301}), "timestamp_too_old"),
        (token(HS256, {"sha256": DIGEST, "iat": 10**400}), "timestamp_in_future"),
        (token(HS256, {"sha256": DIGEST}).rpartition(".")[0] + ".", "signature_malformed"),
        ("a.b", "signature_malformed"),
        ("a.b.c.d", "signature_malformed"),
        ("\udcff.\udcff.\udcff", "signature_malformed"),
        ("", "signature_malformed"),
        ("a" * 5000 + ".b.c", "signature_malformed"),
    ],
)
def test_a_token_must_be_about_this_body(text: str, expected: str) -> None:
    """Its algorithm is the scheme's, whatever it says, and its digest is the body's."""
    assert outcome(endpoint_of(jwt()), BODY, {"authorization": text}) == expected


def test_a_token_of_another_issuer_is_refused() -> None:
    """Where the sender names itself."""
    endpoint = endpoint_of(jwt(issuer="netlify"))
    good = token(HS256, {"sha256": DIGEST, "iss": "netlify"})
    other = token(HS256, {"sha256": DIGEST, "iss": "somebody"})

    assert outcome(endpoint, BODY, {"authorization": good}) == "body"
    assert outcome(endpoint, BODY, {"authorization": other}) == "signature_mismatch"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (NOW - 299.5, "body"),
        (NOW - 301.5, "timestamp_too_old"),
        (-1e300, "timestamp_too_old"),
        (1e300, "timestamp_in_future"),
    ],
)
def test_a_token_may_be_made_within_a_second(made: float, expected: str) -> None:
    """Its time is a number, and need not be a whole one."""
    text = token(HS256, {"sha256": DIGEST, "iat": made})

    assert outcome(endpoint_of(jwt()), BODY, {"authorization": text}) == expected


def public_pem(key: Any) -> str:
    """Write the public half of a key."""
    return str(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    )


def test_a_token_of_an_elliptic_key() -> None:
    """Two numbers of 32 bytes each are the signature, and no secret verifies them."""
    key = ec.generate_private_key(ec.SECP256R1())
    endpoint = endpoint_of(jwt(algorithm="ES256"), public_pem(key))
    delivery = signed(endpoint, key=private_pem(key))
    forged = token(HS256, {"sha256": DIGEST}, public_pem(key).encode())
    claimed = token({"alg": "ES256"}, {"sha256": DIGEST}, public_pem(key).encode())

    assert verify(delivery).assurance == "body"
    assert outcome(endpoint, BODY, {"authorization": forged}) == "signature_malformed"
    assert outcome(endpoint, BODY, {"authorization": claimed}) == "signature_mismatch"


# A signature in the body.

MAILED = SignatureInBody(
    family="signature-in-body",
    signature="signature.signature",
    signed="{body.signature.timestamp}{body.signature.token}",
    timestamp=Timestamp(source="body.signature.timestamp"),
    once="signature.token",
)


def mailed(event: object, mail_token: str = "tok123", at: int = 1_700_000_000) -> bytes:
    """Write a body with a signature over a time and a token."""
    made = hmac.new(b"test_secret", f"{at}{mail_token}".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": str(at), "token": mail_token, "signature": made}
    return json.dumps({"signature": signature, "event-data": event}).encode()


def test_a_signature_in_the_body_proves_the_sender_once() -> None:
    """The event beside it is not signed, so a token that came with one is taken with no other."""
    # A scheme of its own: what was seen of it is remembered.
    scheme = replace(MAILED)
    endpoint = endpoint_of(scheme, "test_secret", event=Places(digested="event-data"))
    at = {"received_at_ms": 1_700_000_000_000}

    assert outcome(endpoint, mailed({"id": 1}), {}, **at) == "sender"
    assert outcome(endpoint, mailed({"id": 1}), {}, **at) == "sender"
    assert outcome(endpoint, mailed({"id": 2}), {}, **at) == "signature_mismatch"
    assert outcome(endpoint, mailed({"id": 2}, "tok124"), {}, **at) == "sender"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "signature_missing"),
        (b"[]", "signature_missing"),
        (b"\xff", "signature_missing"),
        (b"[" * 100_000, "signature_missing"),
        (b'{"signature":{"signature":"zz"}}', "signature_malformed"),
        (b'{"signature":{"signature":"ab"}}', "signature_mismatch"),
        (b'{"signature":{"signature":["ab"]}}', "signature_missing"),
        (b'{"signature":"ab"}', "signature_missing"),
    ],
)
def test_what_has_no_good_signature_in_it_is_refused(body: bytes, reason: str) -> None:
    """Whatever the body is."""
    assert outcome(endpoint_of(MAILED, "test_secret"), body, {}) == reason


ITEMS = SignatureInBody(
    family="signature-in-body",
    items="items[].item",
    signature="extra.hmac",
    signed="{body.id}:{body.missing}:{body.amount.value}:{body.ok}",
    encoding="base64",
    key=Key(form="hex"),
)


def items(count: int, **changes: Any) -> bytes:
    """Write items of which each has a signature of its own, and change the last."""
    endpoint = endpoint_of(ITEMS, "ab12")
    made = []
    for number in range(count):
        one = {"items": [{"item": {"id": f"{number}", "amount": {"value": number}, "ok": True}}]}
        signed_one = sign(Unsent(endpoint=endpoint, body=json.dumps(one).encode(), at=NOW))
        made += json.loads(signed_one.body)["items"]
    made[-1]["item"] |= changes
    return json.dumps({"items": made}).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (items(1), "sender"),
        (items(3), "sender"),
        (items(3, id="9"), "signature_mismatch"),
        (items(3, ok=False), "signature_mismatch"),
        (items(3, extra={}), "signature_missing"),
        (items(11), "signature_malformed"),
        (b'{"items":[]}', "signature_missing"),
        (b'{"items":7}', "signature_missing"),
        (b'{"items":[7]}', "signature_missing"),
    ],
)
def test_each_item_has_a_signature_of_its_own(body: bytes, expected: str) -> None:
    """One that is wrong spoils the delivery, and so many as nobody sends are not tried."""
    assert outcome(endpoint_of(ITEMS, "ab12"), body, {}) == expected


# Public keys.

RAW = PublicFormat.Raw
ED = ed25519.Ed25519PrivateKey.generate()
EC = ec.generate_private_key(ec.SECP256R1())
WIDE = ec.generate_private_key(ec.SECP384R1())
ED_HEX = ED.public_key().public_bytes(Encoding.Raw, RAW).hex()
EC_DER = base64.b64encode(
    EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


def public(algorithm: str, form: str, prefix: str = "") -> Signature:
    """Make a scheme with a public key."""
    return Signature(
        header="x-signature",
        encoding="base64",
        algorithm=algorithm,  # type: ignore[arg-type]
        signed="{timestamp}{body}",
        timestamp=Timestamp(source="header.x-time"),
        key=Key(form=form, prefix=prefix),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("scheme", "key", "secret"),
    [
        (public("ed25519", "hex"), ED, ED_HEX),
        (public("ed25519", "pem"), ED, public_pem(ED)),
        (
            public("ed25519", "base64", "whpk_"),
            ED,
            "whpk_" + base64.b64encode(bytes.fromhex(ED_HEX)).decode(),
        ),
        (public("ecdsa-p256", "base64"), EC, EC_DER),
        (public("ecdsa-p256", "pem"), EC, public_pem(EC)),
        (public("rsa-sha256", "pem"), rsa_key("a"), public_pem(rsa_key("a"))),
    ],
    # Keys are new in each process of a run, and names of tests must not be.
    ids=["ed25519 hex", "ed25519 pem", "ed25519 base64", "p256 base64", "p256 pem", "rsa pem"],
)
def test_public_keys_verify_and_sign_nothing(scheme: Signature, key: Any, secret: str) -> None:
    """What their private half signed is taken, and nothing else."""
    endpoint = endpoint_of(scheme, secret)
    delivery = signed(endpoint, key=private_pem(key))
    headers = dict(delivery.headers)

    assert verify(delivery).assurance == "body"
    assert outcome(endpoint, BODY + b" ", headers) == "signature_mismatch"
    assert outcome(endpoint, BODY, headers | {"x-signature": "AAAA"}) == "signature_mismatch"
    with pytest.raises(CannotSign, match="a private one is needed"):
        sign_for(endpoint, BODY, NOW)


@pytest.mark.parametrize("key", [EC, WIDE, rsa_key("a")], ids=["p256", "p384", "rsa"])
def test_a_key_of_another_kind_signs_not(key: Any) -> None:
    """It is said before anything is sent."""
    endpoint = endpoint_of(public("ed25519", "hex"), ED_HEX)

    with pytest.raises(CannotSign, match="not for ed25519"):
        signed(endpoint, key=private_pem(key))


def test_a_slow_key_is_tried_few_times() -> None:
    """A header full of wrong signatures is no lever on our time: two are looked at."""
    scheme = Signature(
        header="x-signature",
        split=Split(items=" ", pairs=",", signature="v1a"),
        encoding="base64",
        algorithm="ed25519",
        key=Key(form="hex"),
    )
    endpoint = endpoint_of(scheme, ED_HEX)
    good = signed(endpoint, key=private_pem(ED)).headers["x-signature"]
    wrong = "v1a," + base64.b64encode(bytes(64)).decode()

    assert outcome(endpoint, BODY, {"x-signature": f"{wrong} {good}"}) == "body"
    assert (
        outcome(endpoint, BODY, {"x-signature": f"{wrong} {wrong} {good}"}) == "signature_mismatch"
    )
    assert NOW_MS == 1000 * NOW
