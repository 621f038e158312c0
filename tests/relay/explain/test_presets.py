"""What holds for the explanations of every kind of sender."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import example as such_as
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.contract.examples import Example
from relay.delivery import Delivery
from relay.endpoint import Endpoint, Secret
from relay.explain import compared
from relay.explain.head import expected_bytes, is_signature
from relay.providers import PROVIDERS
from relay.scheme import Key, Signature
from relay.verify.places import headers_of, path_of
from tests.making import NOW, NOW_MS
from tests.relay.explain.receiving import explain_now, received, received_of, said
from tests.relay.providers.senders import sender_of
from tests.relay.providers.sending import (
    KEYED,
    a_delivery,
    an_example,
)
from tests.relay.providers.sending import (
    headers_of as proving_headers,
)
from tests.relay.providers.test_properties import HEADER_TEXT, LIKE_A_SIGNATURE, LIKE_JSON

each_preset = pytest.mark.parametrize("name", PROVIDERS)
SHARED = [
    name
    for name in KEYED
    if not PROVIDERS[name].has_public_key and PROVIDERS[name].scheme.family != "none"
]
each_shared = pytest.mark.parametrize("name", SHARED)
TIMED = [name for name in PROVIDERS if PROVIDERS[name].scheme.signs_time]
IN_HEADER = [name for name in PROVIDERS if headers_of(PROVIDERS[name].scheme)]
SIGNED = [name for name in KEYED if PROVIDERS[name].scheme.assurance == "body"]
URLS = [name for name in PROVIDERS if PROVIDERS[name].scheme.signs_url]
OTHER = b"another secret of 32 characters!"
# No word of it is in any explanation.
ODD = b"kq3Zp8Lw0xVn5RtYb7Hs2Jd9Fg4Mc6Qe"


def an_endpoint(name: str, *, secret: str | None = None, **changes: Any) -> Endpoint:
    """Give the endpoint of a preset's sender, with another secret if one is given."""
    endpoint = sender_of(name).endpoint
    if secret is not None:
        changes["secrets"] = (Secret(secret, "env:TEST"),)
    return replace(endpoint, **changes)


def secret_of(name: str) -> str:
    """Give the text of the sender's secret."""
    return sender_of(name).endpoint.secrets[0].reveal().decode()


@each_preset
def test_what_its_sender_signs_passes(name: str) -> None:
    """An explanation finds no fault where there is none, and every step is well."""
    delivery = a_delivery(name)
    explanation = explain_now(delivery.endpoint, received_of(delivery))

    assert explanation.verdict == "passes"
    assert {step.outcome for step in explanation.steps} == {"ok"}


@each_shared
def test_a_wrong_secret_is_named(name: str) -> None:
    """It is said which ones were tried."""
    delivery = sender_of(name, OTHER).send(an_example(name), NOW)
    explanation = explain_now(an_endpoint(name, secret=secret_of(name)), received_of(delivery))

    assert explanation.verdict == "signature_mismatch"
    assert "the variable TEST" in explanation.cause
    assert re.search("No secret of the endpoint|is none of the endpoint's", explanation.cause)


# Blanks between the digits of hex are nothing.
@pytest.mark.parametrize("name", [name for name in SHARED if name != "adyen"])
def test_a_line_break_after_the_secret_is_named(name: str) -> None:
    """In a variable nobody sees it."""
    delivery = a_delivery(name)
    endpoint = an_endpoint(name, secret=f"{secret_of(name)}\n")
    explanation = explain_now(endpoint, received_of(delivery))

    assert "it ends with a line break" in explanation.cause


@each_shared
def test_the_secret_of_another_endpoint_is_named(name: str) -> None:
    """Whatever kind of sender it is."""
    delivery = a_delivery(name)
    others = {"billing": delivery.endpoint.secrets}
    foreign = sender_of(name, OTHER).endpoint
    explanation = explain_now(foreign, received_of(delivery), others=others)

    assert explanation.cause.startswith("It was signed with the secret of endpoint billing")


ENCODED = [name for name in SHARED if getattr(PROVIDERS[name].scheme, "key", Key()).form != "text"]


@pytest.mark.parametrize("name", ENCODED)
def test_a_secret_that_is_not_to_be_decoded_is_named(name: str) -> None:
    """Its sender takes the text as it is."""
    key = PROVIDERS[name].scheme.key  # type: ignore[union-attr]
    written = secret_of(name).removeprefix(key.prefix).encode()
    as_text = key.prefix + (written.hex() if key.form == "hex" else b64(written))
    sender = replace(sender_of(name), endpoint=an_endpoint(name, secret=as_text))
    delivery = sender.send(an_example(name), NOW)
    explanation = explain_now(an_endpoint(name, secret=secret_of(name)), received_of(delivery))

    assert "the sender takes it as " in explanation.cause
    assert f"the scheme decodes it as {key.form}" in explanation.cause


def b64(raw: bytes) -> str:
    """Write bytes in base64."""
    return b64encode(raw).decode()


# What a proxy may write again.
JSON = [name for name in SIGNED if an_example(name).body[:1] in {b"{", b"["}]


@pytest.mark.parametrize("name", JSON)
def test_a_body_that_was_written_again_is_named(name: str) -> None:
    """A proxy parsed it, and dumped it in another way."""
    example = an_example(name)
    compact = msgspec.json.encode(msgspec.json.decode(example.body))
    sent = Example(id=example.id, body=compact, headers=example.headers)
    delivery = sender_of(name).send(sent, NOW)
    again = json.dumps(json.loads(delivery.body), indent=2).encode()
    explanation = explain_now(delivery.endpoint, received_of(delivery, body=again))

    assert explanation.cause.startswith("The body was changed on its way: the signature fits the")
    assert "written compactly" in explanation.cause


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("late_seconds", [0, 5401, -5401])
def test_the_age_is_that_of_the_delivery(name: str, late_seconds: int) -> None:
    """It is read where the family has it."""
    delivery = a_delivery(name)
    request = received_of(delivery, received_at_ms=NOW_MS + 1000 * late_seconds)
    facts = compared(delivery.endpoint, request, "signature_mismatch")

    assert facts["age_seconds"] == late_seconds


@pytest.mark.parametrize("name", TIMED)
def test_a_wrong_clock_is_named(name: str) -> None:
    """The signature is right, and seven hours old."""
    delivery = a_delivery(name)
    request = received_of(delivery, received_at_ms=NOW_MS + 7 * 3_600_000)
    explanation = explain_now(delivery.endpoint, request)

    assert explanation.verdict == "timestamp_too_old"
    assert "(7 h) old: 7 h, as where a clock or a time zone is set wrong" in explanation.cause


@pytest.mark.parametrize("name", IN_HEADER)
def test_a_missing_header_is_named(name: str) -> None:
    """All headers of the proof are gone."""
    delivery = a_delivery(name)
    gone = {*headers_of(delivery.endpoint.provider.scheme)}
    headers = {key: value for key, value in delivery.headers.items() if key not in gone}
    explanation = explain_now(delivery.endpoint, received_of(delivery, headers=headers))
    facts = compared(delivery.endpoint, received_of(delivery, headers=headers), "signature_missing")

    assert explanation.verdict == "signature_missing"
    assert min(gone) in explanation.cause
    assert facts["header_missing"] in gone


@pytest.mark.parametrize("name", [name for name in PROVIDERS if path_of(PROVIDERS[name].scheme)])
def test_a_missing_proof_in_the_body_is_named_by_its_path(name: str) -> None:
    """The body is of something else."""
    delivery = a_delivery(name)
    explanation = explain_now(delivery.endpoint, received_of(delivery, body=b'{"a":1}'))

    assert explanation.verdict == "signature_missing"
    assert path_of(delivery.endpoint.provider.scheme) in explanation.cause


PLAIN = [
    name
    for name in KEYED
    if is_signature(PROVIDERS[name].scheme) and expected_bytes(PROVIDERS[name].scheme)
]


@pytest.mark.parametrize("name", PLAIN)
def test_a_signature_that_was_cut_off_is_named(name: str) -> None:
    """A header was too long for something on its way."""
    delivery = a_delivery(name)
    header = headers_of(delivery.endpoint.provider.scheme)[0]
    cut = {**delivery.headers, header: delivery.headers[header][:-6]}
    explanation = explain_now(delivery.endpoint, received_of(delivery, headers=cut))

    assert f"{expected_bytes(delivery.endpoint.provider.scheme)} " in explanation.cause
    assert " are expected" in explanation.cause


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    ("public_url", "query"),
    [
        ("http://hooks.example.com/webhooks/sender", ""),
        ("https://hooks.example.com/webhooks/sender/", ""),
        ("https://hooks.example.com:443/webhooks/sender", ""),
        ("https://HOOKS.example.com/webhooks/sender", ""),
        ("https://www.hooks.example.com/webhooks/sender", ""),
        ("https://inner.local/other", ""),
        ("http://inner.local:8080/other/", ""),
        ("https://hooks.example.com/webhooks/sender", "added=1"),
    ],
)
def test_a_url_that_differs_is_named(name: str, public_url: str, query: str) -> None:
    """It is signed as its sender knows it."""
    delivery = a_delivery(name)
    right = delivery.endpoint.public_url
    headers = {**delivery.headers, "host": "hooks.example.com"}
    endpoint = replace(delivery.endpoint, public_url=public_url)
    both = "&".join(filter(None, [delivery.query, query]))
    explanation = explain_now(endpoint, received_of(delivery, headers=headers, query=both))

    if query and delivery.query:
        assert explanation.verdict == "signature_mismatch"
    elif query:
        assert "without the query" in explanation.cause
    else:
        assert f"It was signed for {right}, and public_url says {public_url}" in explanation.cause


HEADED = [
    name
    for name in PROVIDERS
    if isinstance(scheme := PROVIDERS[name].scheme, Signature) and scheme.signed_headers
]


@pytest.mark.parametrize("name", HEADED)
def test_a_signed_header_that_did_not_come_is_named(name: str) -> None:
    """The signature is read, and never right without it."""
    delivery = a_delivery(name)
    scheme = delivery.endpoint.provider.scheme
    (gone,) = scheme.signed_headers
    headers = {key: value for key, value in delivery.headers.items() if key != gone}
    explanation = explain_now(delivery.endpoint, received_of(delivery, headers=headers))

    assert explanation.cause == f"The header {gone} did not come, which is signed with the rest."


@cache
def odd_delivery(name: str) -> Delivery:
    """Send an example of a sender whose secret looks like nothing else."""
    sender = sender_of(name) if PROVIDERS[name].scheme.has_certificate else sender_of(name, ODD)
    return sender.send(an_example(name), NOW)


@cache
def _longest(name: str) -> tuple[str, ...]:
    """Give what must never be shown: the secret, and the signature of its example."""
    delivery = odd_delivery(name)
    hidden = [secret.reveal().decode() for secret in delivery.endpoint.secrets]
    for header in headers_of(delivery.endpoint.provider.scheme):
        if header in delivery.headers:
            runs = re.findall(r"[A-Za-z0-9+/_-]{20,}", delivery.headers[header])
            hidden += runs
    return tuple(hidden)


def shows(text: str, hidden: str) -> bool:
    """Say whether a text holds more than 8 characters of another."""
    return any(hidden[at : at + 9] in text for at in range(max(1, len(hidden) - 8)))


def check_hides(endpoint: Endpoint, name: str, request: Any) -> None:
    """Fail where something is raised or shown."""
    explanation = explain_now(endpoint, request)
    facts = compared(endpoint, request, explanation.verdict)
    text = said(explanation) + json.dumps(facts)
    for hidden in _longest(name):
        assert not shows(text, hidden)


HEADERS = st.dictionaries(
    st.sampled_from(["unipile-auth", "host", "content-encoding", "x-signature", "authorization"]),
    HEADER_TEXT | LIKE_A_SIGNATURE,
    max_size=3,
)


@each_preset
@settings(max_examples=12)
@given(value=HEADER_TEXT | LIKE_A_SIGNATURE, more=HEADERS, body=st.binary(max_size=60) | LIKE_JSON)
@such_as(value="", more={}, body=b"")
@such_as(value="a.e30.c2ln", more={"host": "[::"}, body=b"[" * 5000)
def test_anything_can_be_explained(
    name: str, value: str, more: dict[str, str], body: bytes
) -> None:
    """Whatever came, an explanation is given."""
    headers = {**dict.fromkeys(proving_headers(name), value), **more}
    endpoint = odd_delivery(name).endpoint

    check_hides(endpoint, name, received(headers, body))


CHANGES = ["cut", "renamed", "doubled", "body", "late", "secret", "key", "name"]


@each_preset
@pytest.mark.parametrize("change", CHANGES)
def test_what_nearly_passes_is_explained_without_its_signature(name: str, change: str) -> None:
    """A right signature could be used, where only its body or its time was wrong."""
    endpoint, request = changed(odd_delivery(name), change)

    check_hides(endpoint, name, request)


def changed(delivery: Delivery, change: str) -> tuple[Endpoint, Any]:
    """Change one thing about a delivery."""
    endpoint, headers = delivery.endpoint, dict(delivery.headers)
    own = next((name for name in headers_of(endpoint.provider.scheme) if name in headers), "")
    value = headers.get(own, "")
    ways: dict[str, Any] = {
        "cut": {own: value[:-2]},
        "renamed": {f"x-{own}": headers.pop(own, "") if change == "renamed" else ""},
        "doubled": {own: f"{value},{value}"},
        "key": {own: re.sub(r"(v\d|sha\d+|t|v1a)([=,])", r"\g<1>x\2", value)},
        "name": {f"x-signature-{value[:90]}": "a"},
        "secret": {"x-secret": ODD.decode()},
    }
    headers |= ways.get(change, {})
    body = delivery.body + b" " if change == "body" else delivery.body
    late_ms = 86_400_000 if change == "late" else 0
    request = received_of(delivery, headers=headers, body=body, received_at_ms=NOW_MS + late_ms)
    return endpoint, request
