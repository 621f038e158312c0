"""Under what an event is remembered: what is signed decides, and what an operator wishes."""

import json
from typing import Any

import pytest

from relay.contract.errors import SignatureRefused
from relay.contract.event import IdentifiedEvent
from relay.identify import identify
from relay.provider import Places, Provider
from relay.providers import PROVIDERS
from relay.scheme import Jwt, Key, Scheme, Signature, SignatureInBody, Timestamp, Token, Unsigned
from relay.verify import Unsent, sign, verify
from tests.making import NOW, make_delivery, make_endpoint

UNTIMED = Signature(header="x-signature")
TIMED = Signature(
    header="x-signature",
    signed="{timestamp}.{body}",
    timestamp=Timestamp(source="header.x-time"),
)
SIGNED_ID = Signature(
    header="x-signature",
    signed="{header.x-id}.{timestamp}.{body}",
    timestamp=Timestamp(source="header.x-time"),
)
IN_HEADERS: dict[str, Any] = {"id": "{header.x-id}", "type": "{header.x-type}"}
BODY = b'{"n":1}'


def found(
    body: bytes = BODY,
    *,
    scheme: Scheme = UNTIMED,
    headers: dict[str, str] | None = None,
    places: dict[str, Any] | None = None,
    at: int = NOW,
    **changes: Any,
) -> IdentifiedEvent:
    """Identify a delivery of a made-up sender, signed as it would."""
    event = Places(**(IN_HEADERS if places is None else places))
    provider = Provider(name="made-up", title="Made up", scheme=scheme, event=event)
    endpoint = make_endpoint(**{"name": "made-up", "provider": provider} | changes)
    given = {"x-id": "one", "x-type": "push"} | (headers or {})
    signed = sign(Unsent(endpoint=endpoint, body=body, at=at, headers=given))
    delivery = make_delivery(
        signed.body, signed.headers, endpoint=endpoint, received_at_ms=1000 * at
    )
    return identify(verify(delivery))


def test_an_id_that_is_not_signed_counts_with_the_body_only() -> None:
    """A guessed id with another body does not suppress the real event; a repeat is one."""
    real, repeat, guessed = found(), found(), found(b'{"n":2}')

    assert real.event.id == guessed.event.id == "one"
    assert real.identity == repeat.identity
    assert real.identity != guessed.identity
    assert real.kind == "ids"


def test_without_strict_a_new_id_is_a_new_event() -> None:
    """Equal bodies can be different events, and nothing but the id says so."""
    assert found().identity != found(headers={"x-id": "two"}).identity


def test_strict_takes_the_body_for_the_event() -> None:
    """Whoever repeats a body under another id or type repeats the event, for the whole window."""
    real = found(replay="strict")
    other_id = found(headers={"x-id": "two"}, replay="strict")
    other_type = found(headers={"x-type": "pull"}, replay="strict")
    no_id = found(headers={"x-id": ""}, replay="strict")
    other_body = found(b'{"n":2}', replay="strict")

    assert real.identity == other_id.identity == other_type.identity
    assert {event.window_seconds for event in (real, other_id, no_id)} == {72 * 3600}
    assert real.identity != other_body.identity
    assert real.kind == "bodies"


@pytest.mark.parametrize("name", ["x-id", "x-account"])
def test_under_strict_no_header_chooses_another_partition(name: str) -> None:
    """The dedupe index is the partition's: elsewhere nobody would know the body."""
    places = IN_HEADERS | {"account": "{header.x-account}"}

    tags = {
        found(headers={name: str(n)}, places=places, replay="strict", partitions=64).tag
        for n in range(20)
    }

    assert len(tags) == 1


def test_an_account_that_is_not_signed_gives_a_signed_id_no_second_partition() -> None:
    """Whoever sends a delivery again can write another one beside it."""
    places = {"id": "{body.id}", "account": "{header.x-account}"}

    tags = {
        found(b'{"id":"a"}', headers={"x-account": str(n)}, places=places, partitions=64).tag
        for n in range(20)
    }

    assert len(tags) == 1


def test_an_account_that_is_signed_keeps_its_partition() -> None:
    """Under strict too, so that its events stay in their order."""
    places = {"id": "{header.x-id}", "account": "{body.account}"}

    tags = {
        found(
            json.dumps({"account": "a", "n": n}).encode(),
            places=places,
            replay=replay,
            partitions=64,
        ).tag
        for n in range(20)
        for replay in ("strict", "usual")
    }

    assert len(tags) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"CallSid=CA1&CallStatus=ringing",
        b"&&CallStatus=ringing&CallSid=CA1",
        b"CallSid=%43A1&CallStatus=ringing&=",
        b"CallSid=CA1&CallSid=CA1&CallStatus=ringing",
        b"CallSidCA1CallStatus=ringing",
    ],
)
def test_a_form_that_is_written_otherwise_is_the_same_event(body: bytes) -> None:
    """Twilio signs what a form says: with one signature it can be written in any number of ways."""
    usual = b"CallSid=CA1&CallStatus=ringing"
    for header in ({}, {"i-twilio-idempotency-token": "1"}):
        endpoint = make_endpoint(
            provider=PROVIDERS["twilio"], replay="strict", public_url="https://h.example.com/t"
        )
        headers = sign(Unsent(endpoint=endpoint, body=usual, at=NOW, headers=header)).headers
        one, other = (
            identify(verify(make_delivery(form, headers, endpoint=endpoint)))
            for form in (usual, body)
        )

        assert one.identity == other.identity
        assert one.kind == other.kind == "bodies"


@pytest.mark.parametrize(("has_time", "kind"), [(True, "ids"), (False, "bodies")])
def test_strict_counts_where_a_token_says_no_time(has_time: bool, kind: str) -> None:  # noqa: FBT001
    """It stays good for ever, as any signature does that covers the body alone."""
    scheme = Jwt(family="jwt", header="x-jwt", algorithm="HS256", claim="sha256", has_time=has_time)

    assert found(scheme=scheme, replay="strict").kind == kind


@pytest.mark.parametrize("scheme", [TIMED, SIGNED_ID])
def test_strict_changes_nothing_where_the_time_is_signed(scheme: Signature) -> None:
    """An old signature is refused for its age there."""
    usual, strict = found(scheme=scheme), found(scheme=scheme, replay="strict")

    assert (usual.identity, usual.kind) == (strict.identity, strict.kind)


def test_an_id_that_is_signed_counts_alone() -> None:
    """Whether in a signed header or in a signed body."""
    assert found(scheme=SIGNED_ID).identity == b"one"
    assert found(b'{"id":"two"}', places={"id": "{body.id}"}).identity == b"two"


@pytest.mark.parametrize(
    "scheme",
    [
        Token(family="token", place="header.x-token"),
        SignatureInBody(family="signature-in-body", signature="s", signed="{body.id}"),
        Signature(
            header="x-signature",
            signed="{timestamp}",
            timestamp=Timestamp(source="header.x-time"),
        ),
    ],
)
def test_what_proves_the_sender_only_proves_no_id(scheme: Scheme) -> None:
    """The id stands in a body that nobody signed, so the body counts too."""
    one = found(b'{"id":"a","type":"t","n":1}', scheme=scheme, places={"id": "{body.id}"})
    other = found(b'{"id":"a","type":"t","n":2}', scheme=scheme, places={"id": "{body.id}"})

    assert one.event.assurance == "sender"
    assert one.identity != other.identity
    assert one.identity.startswith(b"a\xff")


def test_of_a_body_that_is_new_each_time_one_part_may_count() -> None:
    """A sender that writes its signature into the body sends the same event in another one."""
    places: Any = {"id": "{body.event.id}", "digested": "event"}
    scheme = SignatureInBody(
        family="signature-in-body",
        signature="sig",
        signed="{body.at}",
        timestamp=Timestamp(source="body.at"),
    )
    body = json.dumps({"at": "0", "event": {"id": "a", "n": 1}}).encode()

    one, later = (found(body, scheme=scheme, places=places, at=at) for at in (NOW, NOW + 9))
    other = found(
        json.dumps({"at": "0", "event": {"id": "a", "n": 2}}).encode(), scheme=scheme, places=places
    )

    assert one.event.data != later.event.data
    assert one.identity == later.identity
    assert one.identity != other.identity


def test_where_equal_bodies_are_different_events_each_is_new() -> None:
    """A sender that says only that something changed says it again and again."""
    places: Any = {"type": "changed", "window_without_id_seconds": 0}

    one, other = found(places=places), found(places=places)

    assert one.event.type == "changed"
    assert one.identity != other.identity
    assert one.event.id != other.event.id


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\x85", "\x1f", "\x0b"])
def test_what_is_around_a_signed_id_is_signed_too(blank: str) -> None:
    """Else one signed delivery could be sent again under as many ids as there are blanks."""
    provider = Provider(name="x", title="X", scheme=SIGNED_ID, event=Places(**IN_HEADERS))
    endpoint = make_endpoint(provider=provider)
    headers = sign(Unsent(endpoint=endpoint, body=BODY, at=NOW, event_id="one")).headers
    padded = make_delivery(BODY, headers | {"x-id": f"one{blank}"}, endpoint=endpoint)
    usual = make_delivery(BODY, headers | {"x-id": " one\t"}, endpoint=endpoint)

    with pytest.raises(SignatureRefused):
        verify(padded)
    assert identify(verify(usual)).identity == b"one"


@pytest.mark.parametrize(
    ("scheme", "limit"), [(UNTIMED, 7), (Unsigned(family="none"), 7), (SIGNED_ID, 7)]
)
def test_a_type_that_is_not_signed_is_limited(scheme: Scheme, limit: int) -> None:
    """Whoever repeats a delivery could make up as many as he likes."""
    secrets: Any = {"secrets": ()} if isinstance(scheme, Unsigned) else {}
    assert found(scheme=scheme, max_new_types_per_hour=7, **secrets).max_new_types_per_hour == limit


@pytest.mark.parametrize("event_type", ["{body.n|number}", "always"])
def test_a_type_that_is_signed_is_not(event_type: str) -> None:
    """Nobody but the sender can say it, or nobody at all."""
    assert found(places={"type": event_type}).max_new_types_per_hour is None


def test_keys_in_another_form_sign_alike() -> None:
    """A secret in base64 behind a prefix is its bytes."""
    scheme = Signature(header="x-signature", key=Key(form="base64", prefix="whsec_"))
    endpoint = make_endpoint(
        "whsec_c2VjcmV0", provider=Provider(name="x", title="X", scheme=scheme)
    )
    plain = make_endpoint("secret", provider=Provider(name="y", title="Y", scheme=UNTIMED))

    one, other = (
        sign(Unsent(endpoint=each, body=BODY, at=NOW)).headers for each in (endpoint, plain)
    )

    assert one == other
