"""A secret in the query of a URL: what passes, what is refused, and that it is kept nowhere."""

from typing import Any
from urllib.parse import quote

import pytest

from relay.contract.errors import SignatureRefused
from relay.endpoint import Endpoint
from relay.explain.facts import compared
from relay.identify import identify
from relay.provider import Places, Provider
from relay.rejections import rejection_of
from relay.rejections.judged import received_of
from relay.scheme import Token
from relay.verify import Unsent, sign, unproved, verify
from tests.making import NOW, make_delivery, make_endpoint
from tests.relay.explain.receiving import explain_now, received, said

BODY = b'{"id":"1","type":"a"}'
SECRET = "s3cret of/some & sort+é"
WRITTEN = quote(SECRET, safe="")


def endpoint_of(name: str = "knock", prefix: str = "", **changes: Any) -> Endpoint:
    """Make an endpoint whose secret stands in the query."""
    scheme = Token(family="token", place=f"query.{name}", prefix=prefix)
    places = Places(id="{body.id}", type="{body.type}")
    provider = Provider(name="made-up", title="Made up", scheme=scheme, event=places)
    return make_endpoint(SECRET, provider=provider, name="made-up", **changes)


def outcome(query: str, endpoint: Endpoint | None = None) -> str:
    """Give the reason of a refusal, or what was proved."""
    try:
        endpoint = endpoint or endpoint_of()
        return verify(make_delivery(BODY, endpoint=endpoint, query=query)).assurance
    except SignatureRefused as refusal:
        return refusal.reason


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"knock={WRITTEN}", "sender"),
        (f"a=1&knock={WRITTEN}&b=2", "sender"),
        (f"%6bnock={WRITTEN}", "sender"),
        (f"knock={WRITTEN.replace('%20', '+')}", "sender"),
        (f"Knock={WRITTEN}", "signature_missing"),
        (f"a={WRITTEN}", "signature_missing"),
        ("", "signature_missing"),
        ("knock", "signature_mismatch"),
        ("knock=", "signature_mismatch"),
        (f"knock={WRITTEN}x", "signature_mismatch"),
        (f"knock={WRITTEN[:-3]}", "signature_mismatch"),
        ("knock=\udcff", "signature_mismatch"),
        (f"knock={WRITTEN}&knock={WRITTEN}", "signature_malformed"),
        (f"knock=x&knock={WRITTEN}", "signature_malformed"),
        (f"knock={WRITTEN}&{'a=1&' * 2000}", "signature_malformed"),
        (f"knock={'a' * 5000}", "signature_malformed"),
    ],
)
def test_the_parameter_holds_the_secret_once(query: str, expected: str) -> None:
    """By its own name and in whole; twice it would be open which counts."""
    assert outcome(query) == expected


def test_no_header_stands_in_for_it() -> None:
    """A wrong or missing one falls back to nothing weaker."""
    headers = {"knock": SECRET, "unipile-auth": SECRET, "authorization": f"Bearer {SECRET}"}
    for query in ("", "knock=wrong"):
        with pytest.raises(SignatureRefused):
            verify(make_delivery(BODY, headers, endpoint=endpoint_of(), query=query))


@pytest.mark.parametrize("prefix", ["", "Bearer"])
@pytest.mark.parametrize("query", ["", "a=1"])
def test_what_is_signed_passes(prefix: str, query: str) -> None:
    """Written so that a URL may hold it, behind what else the query has."""
    endpoint = endpoint_of(prefix=prefix)

    signed = sign(Unsent(endpoint=endpoint, body=BODY, at=NOW, query=query))

    assert outcome(signed.query, endpoint) == "sender"
    assert signed.query.startswith(query)
    assert SECRET not in signed.query


@pytest.mark.parametrize("name", ["knock", "k", "t.o_k~e-n"])
def test_an_entry_never_has_it(name: str) -> None:
    """Whatever it is called, and however the sender writes that name."""
    queries = [f"a=1&{written}={WRITTEN}&b=2" for written in (name, f"%{ord(name[0]):x}{name[1:]}")]
    for query in queries:
        delivery = make_delivery(BODY, endpoint=endpoint_of(name), query=query)

        kept = identify(verify(delivery)).event.query or ""

        assert kept.startswith("a=1&")
        assert kept.endswith("=redacted&b=2")
        assert WRITTEN not in kept


@pytest.mark.parametrize("written", ["other={}", "{}", "knock={}", "a&b={}"])
def test_what_proves_nothing_is_kept_without_any_value(written: str) -> None:
    """The secret may stand there under another name, or under none, by mistake."""
    endpoint, query = endpoint_of(dry_run=True), written.format(WRITTEN)
    event = identify(unproved(make_delivery(BODY, endpoint=endpoint, query=query))).event
    row = rejection_of(endpoint, (), query=query, received_at_ms=0, request_id="", reason="any")

    for kept in (event.query or "", row.query):
        assert WRITTEN not in kept
        assert "redacted" in kept


def test_the_refusal_says_where_it_was_looked_for_and_no_value() -> None:
    """The names that came are told, which is what an operator needs."""
    endpoint = endpoint_of()
    query = f"nock={WRITTEN}&state=7"
    row = rejection_of(
        endpoint, (), body=BODY, query=query, received_at_ms=0, request_id="",
        reason="signature_missing",
    )  # fmt: skip

    explanation = explain_now(endpoint, received_of(row))

    assert compared(endpoint, received_of(row), row.reason)["place"] == "query.knock"
    assert explanation.verdict == "signature_missing"
    assert "The URL has no parameter knock" in explanation.cause
    assert "those that came are nock and state" in explanation.cause
    assert "?knock=<the secret>" in explanation.remedy
    assert WRITTEN not in said(explanation)
    assert "7" not in explanation.cause


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("knock=redacted", "was none of the endpoint's when it came"),
        ("knock=redacted&knock=redacted", "the parameter knock more than once"),
        ("", "none came"),
    ],
)
def test_each_refusal_is_explained(query: str, cause: str) -> None:
    """By what is left of it."""
    explanation = explain_now(endpoint_of(), received({}, BODY, query=query))

    assert cause in explanation.cause
    assert any("looked for in the query at knock" in step.text for step in explanation.steps)


def test_a_webhook_with_its_secret_in_a_header_is_told_at_an_endpoint_for_callbacks() -> None:
    """It is most likely meant for the other endpoint."""
    explanation = explain_now(endpoint_of(), received({"Unipile-Auth": "x"}, BODY))

    assert "a header unipile-auth: is it for another endpoint?" in explanation.remedy
