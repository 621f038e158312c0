"""Which deliveries prove where they come from."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import relay
from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Secret
from relay.verify import examine_head, sign_for, verify
from tests.making import NOW, NOW_MS, make_delivery, make_endpoint, make_signed
from tests.signing import SECRET, signature, signature_header

BODY = b'{"id":"evt_1","type":"message.new"}'
GOOD = signature(BODY, NOW)
WRONG = signature(BODY, NOW, "another secret")
DOCUMENTED_BODY = (
    '{"id":"evt_test0001","created_at":"2026-10-12T09:14:07.512Z","account_id":"acc_test0001",'
    '"type":"message.new","payload":{"object":"Message","id":"m-1","chat_id":"c-1",'
    '"sender_id":"u-1","text":"héllo","timestamp":"2026-10-12T09:14:06.000Z","is_sender":false}}'
).encode()


def reason_of(header: str | None, *, body: bytes = BODY, received_at_ms: int = NOW_MS) -> str:
    """Give the reason of the refusal, or ``accepted``."""
    headers = {} if header is None else {"unipile-signature": header}
    return outcome_of(lambda: make_delivery(body, headers, received_at_ms=received_at_ms))


def outcome_of(make: Callable[[], Delivery]) -> str:
    """Give the reason of a delivery's refusal, by its head or as a whole, or ``accepted``."""
    try:
        verify(make())
    except SignatureRefused as refusal:
        return refusal.reason
    return "accepted"


@pytest.mark.parametrize(
    ("secret", "timestamp", "body", "expected"),
    [
        (
            "wes_testsecret_0000000000000000000",
            1791796448,
            DOCUMENTED_BODY,
            "a8800c5e7499fca84d3734dacc86f1909c276edaaa3048b61229975a00f2f2a1",
        ),
        (
            "test_secret",
            1700000000,
            b'{"id":"evt_1","type":"test"}',
            "1ad3c89e586a5fb78e4946a778aaa4a8072454d6dfd7d76335651f8682d06158",
        ),
    ],
    ids=["utf-8 body", "short body"],
)
def test_known_vectors_verify(secret: str, timestamp: int, body: bytes, expected: str) -> None:
    """Signatures that were computed apart from this project are accepted, and made alike."""
    endpoint = make_endpoint(secret)
    header = {"unipile-signature": f"t={timestamp},v0={expected}"}
    delivery = make_delivery(body, header, endpoint=endpoint, received_at_ms=timestamp * 1000)

    verified = verify(delivery)

    assert verified.delivery is delivery
    assert verified.assurance == "body"
    assert verified.signed_at == str(timestamp)
    assert sign_for(endpoint, body, timestamp) == header


def test_the_vector_is_over_the_bytes_of_the_wire() -> None:
    """The documented body is 259 bytes long, and the same JSON written otherwise is refused."""
    header = signature_header(DOCUMENTED_BODY, NOW)

    assert len(DOCUMENTED_BODY) == 259
    assert reason_of(header, body=DOCUMENTED_BODY) == "accepted"
    assert reason_of(header, body=DOCUMENTED_BODY + b"\n") == "signature_mismatch"


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW},v0={GOOD}",
        f"v0={GOOD},t={NOW}",
        f" t = {NOW} , v0 = {GOOD} ",
        f"t={NOW},v0={GOOD.upper()}",
        f"t={NOW},v0={WRONG},v0={GOOD}",
        f"t={NOW},v0={GOOD},v0={WRONG}",
        f"t={NOW},v0={WRONG},{GOOD}",
        f"t={NOW},v0={WRONG}, {WRONG} , {GOOD}",
        f"t={NOW},v0=zz,v0={GOOD}",
        f"t={NOW},v0=,v0={GOOD}",
        f"t={NOW},v0=é,v0={GOOD}",
        f"t={NOW},v1=abc,kid=7,v0={GOOD},hello",
        f"t={NOW},v1={WRONG},{WRONG},v0={GOOD}",
        f"{WRONG},t={NOW},v0={GOOD}",
    ],
)
def test_forms_of_a_good_header(header: str) -> None:
    """One good ``v0`` suffices, wherever it stands and whatever stands beside it."""
    assert reason_of(header) == "accepted"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "signature_missing"),
        ("", "signature_malformed"),
        (",", "signature_malformed"),
        ("=,=", "signature_malformed"),
        (f"v0={GOOD}", "signature_malformed"),
        (f"t={NOW}", "signature_malformed"),
        (f"t={NOW},v0=", "signature_malformed"),
        (f"t={NOW},v0=xyz", "signature_malformed"),
        (f"t={NOW},v1={GOOD}", "signature_malformed"),
        (f"t={NOW},{GOOD}", "signature_malformed"),
        (f"t={NOW},v1=ab,{GOOD}", "signature_malformed"),
        (f"t={NOW},t={NOW},v0={GOOD}", "signature_malformed"),
        (f"t=,v0={GOOD}", "signature_malformed"),
        (f"t=-1,v0={GOOD}", "signature_malformed"),
        (f"t=+{NOW},v0={GOOD}", "signature_malformed"),
        (f"t={NOW}.5,v0={GOOD}", "signature_malformed"),
        (f"t=1_791_796_448,v0={GOOD}", "signature_malformed"),
        (f"t=\uff11\uff17,v0={GOOD}", "signature_malformed"),
        (f"t={'9' * 13},v0={GOOD}", "signature_malformed"),
        (f"t={'9' * 5000},v0={GOOD}", "signature_malformed"),
        (f"t={NOW},v0={WRONG}", "signature_mismatch"),
        (f"t={NOW},v0={GOOD[:-2]}", "signature_mismatch"),
        (f"t={NOW},v0={GOOD}00", "signature_mismatch"),
        (f"t=0{NOW},v0={GOOD}", "signature_mismatch"),
        (f"t={NOW + 1},v0={GOOD}", "signature_mismatch"),
    ],
)
def test_bad_headers_and_their_reasons(header: str | None, reason: str) -> None:
    """A header that does not prove the delivery is refused for the right reason."""
    assert reason_of(header) == reason


def test_only_so_many_candidates_are_tried() -> None:
    """The tenth signature still counts; the eleventh would only cost time."""
    others = ",".join(f"v0={WRONG}" for _ in range(9))

    assert reason_of(f"t={NOW},{others},v0={GOOD}") == "accepted"
    assert reason_of(f"t={NOW},{others},v0={WRONG},v0={GOOD}") == "signature_mismatch"


@pytest.mark.parametrize("signer", ["old", "new"])
def test_a_secret_is_replaced_without_an_outage(signer: str) -> None:
    """While two secrets are active, a delivery signed with either is accepted."""
    endpoint = make_endpoint("old", "new")
    headers = {"unipile-signature": signature_header(BODY, NOW, signer)}

    assert verify(make_delivery(BODY, headers, endpoint=endpoint)).assurance == "body"


def test_a_secret_that_was_taken_out_no_longer_counts() -> None:
    """After the replacement the old secret is refused."""
    headers = {"unipile-signature": signature_header(BODY, NOW, "old")}

    with pytest.raises(SignatureRefused, match="signature_mismatch"):
        verify(make_delivery(BODY, headers, endpoint=make_endpoint("new")))


@pytest.mark.parametrize(
    ("age_ms", "outcome"),
    [
        (0, "accepted"),
        (300_000, "accepted"),
        (300_001, "timestamp_too_old"),
        (-300_000, "accepted"),
        (-300_001, "timestamp_in_future"),
        (10**14, "timestamp_too_old"),
        (-NOW_MS, "timestamp_in_future"),
    ],
)
def test_the_tolerance_has_two_sides(age_ms: int, outcome: str) -> None:
    """A signature counts from 300 s before its time to 300 s after it, and not a ms longer."""
    assert reason_of(f"t={NOW},v0={GOOD}", received_at_ms=NOW_MS + age_ms) == outcome


@pytest.mark.parametrize(
    ("age_seconds", "outcome"),
    [(90, "accepted"), (91, "timestamp_too_old"), (-30, "accepted"), (-31, "timestamp_in_future")],
)
def test_late_tolerance_is_for_late_ones_only(age_seconds: int, outcome: str) -> None:
    """The further tolerance lets older signatures in, and no younger ones."""
    endpoint = make_endpoint(tolerance_seconds=30, late_tolerance_seconds=60)
    delivery = make_signed(BODY, endpoint=endpoint, received_at_ms=1000 * (NOW + age_seconds))

    assert outcome_of(lambda: delivery) == outcome


def test_the_signature_is_judged_before_the_age() -> None:
    """A wrong signature that is also old is called wrong: age alone tells a right secret."""
    old = NOW_MS + 10**9

    assert reason_of(f"t={NOW},v0={WRONG}", received_at_ms=old) == "signature_mismatch"


def test_the_head_alone_shows_what_cannot_become_valid() -> None:
    """A missing or malformed header is refused before the body; a well-formed one is not."""
    examine_head(make_endpoint(), {"unipile-signature": f"t={NOW},v0={WRONG}"})

    with pytest.raises(SignatureRefused, match="signature_missing"):
        examine_head(make_endpoint(), {})
    with pytest.raises(SignatureRefused, match="signature_malformed"):
        examine_head(make_endpoint(), {"unipile-signature": "t=1"})


def test_a_secret_does_not_show_itself() -> None:
    """Neither an endpoint nor a secret has the secret's text in what is printed of it."""
    endpoint = make_endpoint(SECRET)

    assert SECRET not in f"{endpoint!r} {endpoint.secrets!r} {endpoint.secrets[0]}"


def test_a_secret_of_odd_bytes_is_kept_as_it_is() -> None:
    """What the environment holds beside UTF-8 signs as the bytes that it is."""
    assert Secret("a\udcff", "env:TEST").reveal() == b"a\xff"


def test_only_verify_makes_verified_deliveries() -> None:
    """No module outside ``relay.verify`` calls the constructor of `VerifiedDelivery`."""
    root = Path(relay.__file__).parents[1]
    makers = {
        path.relative_to(root).as_posix()
        for package in ("relay", "consumers")
        for path in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and "VerifiedDelivery" in {getattr(node.func, "id", ""), getattr(node.func, "attr", "")}
    }

    assert makers == {"relay/verify/__init__.py"}
