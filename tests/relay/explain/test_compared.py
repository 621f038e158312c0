"""The facts that are kept with a refusal: few, cheap, and nothing secret."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest

from relay.endpoint import Endpoint
from relay.explain import compared
from relay.providers import PROVIDERS
from tests.making import NOW, NOW_MS, make_endpoint
from tests.relay.explain.receiving import received
from tests.signing import SECRET, signed

BODY = b'{"id":"evt_1"}'


def test_a_mismatch_says_what_was_compared() -> None:
    """Lengths, age and the names of the secrets."""
    request = received(signed(BODY, NOW - 40, "another"), BODY)

    assert compared(make_endpoint(), request, "signature_mismatch") == {
        "algorithm": "HMAC-SHA256",
        "header": "unipile-signature",
        "candidate_bytes": "32",
        "expected_bytes": 32,
        "age_seconds": 40,
        "tolerance_seconds": 300,
        "secrets": "env:TEST",
    }


def test_a_missing_header_is_named() -> None:
    """No secret was tried."""
    assert compared(make_endpoint(), received({}, None), "signature_missing") == {
        "algorithm": "HMAC-SHA256",
        "header_missing": "unipile-signature",
        "expected_bytes": 32,
    }


def svix() -> Endpoint:
    """Make an endpoint of a sender that signs two more headers."""
    return replace(make_endpoint("whsec_AAAA"), provider=PROVIDERS["svix"])


def test_all_headers_that_belong_to_the_proof_are_looked_for() -> None:
    """A proxy lets one through."""
    facts = compared(svix(), received({"svix-signature": "v1,AAAA"}, BODY), "signature_malformed")

    assert facts["header"] == "svix-signature"
    assert facts["header_missing"] == "svix-id, svix-timestamp"


@pytest.mark.parametrize("reason", ["body_too_large", "method_not_allowed", "rate_limited"])
def test_nothing_is_compared_where_no_signature_was_at_fault(reason: str) -> None:
    """The reason says all of it."""
    assert compared(make_endpoint(), received({}, b""), reason) == {}


def test_the_length_of_a_static_secret_is_not_kept() -> None:
    """Where it nearly is the secret, that would say how long it is."""
    endpoint = replace(make_endpoint(), provider=PROVIDERS["gitlab"])
    facts = compared(endpoint, received({"x-gitlab-token": SECRET}, b""), "signature_mismatch")

    assert "candidate_bytes" not in facts


def test_a_long_body_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent it has proved nothing."""
    monkeypatch.setattr("relay.explain.facts.MAX_READ_BYTES", 20)
    endpoint = replace(make_endpoint(), provider=PROVIDERS["linear"])
    body = b'{"webhookTimestamp":%d}' % NOW_MS
    headers = {"linear-signature": "ab"}

    assert "age_seconds" not in compared(endpoint, received(headers, body), "signature_mismatch")
    monkeypatch.setattr("relay.explain.facts.MAX_READ_BYTES", 200)
    assert compared(endpoint, received(headers, body), "signature_mismatch")["age_seconds"] == 0


def mailgun(event: str, secret: str = SECRET) -> bytes:
    """Make a body whose signature says nothing of the event."""
    signature = hmac.new(secret.encode(), f"{NOW}one-token".encode(), hashlib.sha256).hexdigest()
    signed = {"token": "one-token", "timestamp": str(NOW), "signature": signature}
    return json.dumps({"signature": signed, "event-data": {"id": event}}).encode()


@pytest.mark.parametrize("filling", ["", "a" * 20_000])
def test_what_was_used_before_is_told_from_what_is_wrong(filling: str) -> None:
    """Who judges it again remembers no token; the gateway that refused it did."""
    endpoint = replace(make_endpoint(), provider=PROVIDERS["mailgun"])
    forged = received({}, mailgun(f"evt_2{filling}"))
    wrong = received({}, mailgun("evt_2", "another"))
    facts = compared(endpoint, forged, "signature_mismatch")

    assert facts["used_before"] == "signature.token"
    assert "used_before" not in compared(endpoint, wrong, "signature_mismatch")
    assert "used_before" not in compared(endpoint, forged, "timestamp_too_old")
