"""What is done with a delivery, step by step."""

import hashlib

import pytest

from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from tests.making import NOW, NOW_MS, make_endpoint
from tests.relay.explain.receiving import explain_now, explained, received, received_of
from tests.relay.providers.sending import a_delivery
from tests.signing import SECRET, signature_header, signed

BODY = b'{"id":"evt_1"}'
DIGEST = hashlib.sha256(BODY).hexdigest()


def test_each_step_says_what_was_compared() -> None:
    """Names, lengths, digests and times, and nothing else."""
    secrets = (Secret("wrong", "env:NEW"), Secret(SECRET, "file:/run/secrets/old"))
    endpoint = Endpoint(name="unipile", provider=PROVIDERS["unipile"], secrets=secrets)
    explanation = explain_now(endpoint, received(signed(BODY, NOW - 400), BODY))

    assert [(step.name, step.outcome, step.text) for step in explanation.steps] == [
        ("scheme", "ok", "Unipile: HMAC-SHA256 over {timestamp}.{body}, written in hex"),
        (
            "signature",
            "ok",
            "looked for unipile-signature: found unipile-signature with 80 characters",
        ),
        ("parts", "ok", "parts t and v0; 1 signature in hex of 32 bytes, 32 expected"),
        ("time", "ok", "1791796048000 ms since 1970, 2026-10-12 09:07:28 UTC"),
        (
            "content",
            "ok",
            (
                "25 bytes are signed: {timestamp}.{body}, with a body of 14 bytes with SHA-256 "
                f"{DIGEST}"
            ),
        ),
        ("secret in the variable NEW", "failed", "the signature was not made with it"),
        ("secret in the file /run/secrets/old", "ok", "the signature was made with it"),
        (
            "age",
            "failed",
            (
                "400 s (6 min 40 s) old when it came; 300 s (5 min) old and 300 s (5 min) in the "
                "future are allowed"
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("headers", "body", "steps"),
    [
        ({}, BODY, ["ok", "failed", *4 * ["not reached"], "not reached"]),
        (
            {"unipile-signature": "t=1"},
            BODY,
            ["ok", "ok", "failed", "failed", *3 * ["not reached"]],
        ),
        (signed(BODY, NOW), None, ["ok", "ok", "ok", "ok", *3 * ["not reached"]]),
        (signed(b"", NOW), BODY, ["ok", "ok", "ok", "ok", "ok", "failed", "not reached"]),
        (signed(BODY, NOW), BODY, 7 * ["ok"]),
    ],
)
def test_what_follows_a_fault_is_not_reached(
    headers: dict[str, str], body: bytes | None, steps: list[str]
) -> None:
    """A step that needs what is missing says nothing about the delivery."""
    explanation = explained(headers, body)

    assert [step.outcome for step in explanation.steps] == steps


def test_several_candidates_are_counted() -> None:
    """While a sender replaces its secret, it signs with both."""
    header = f"{signature_header(BODY, NOW)},v0=abcd"
    steps = explained({"unipile-signature": header}, BODY).steps

    assert steps[2].text == "parts t and v0; 2 signatures in hex of 32 and 2 bytes, 32 expected"


def test_the_url_that_is_signed_is_said() -> None:
    """It is the operator's, and nobody sees it in the request."""
    delivery = a_delivery("square")
    texts = [step.text for step in explain_now(delivery.endpoint, received_of(delivery)).steps]

    assert any(
        f"{{url}}{{body}} where url is {delivery.endpoint.public_url}" in each for each in texts
    )


def test_a_time_beyond_any_calendar_is_said_to_be_so() -> None:
    """Its digits are read, and mean nothing."""
    header = signature_header(BODY, 999_999_999_999)
    request = received({"unipile-signature": header}, BODY, received_at_ms=NOW_MS)
    steps = explain_now(make_endpoint(), request).steps

    assert "beyond any calendar" in steps[3].text
