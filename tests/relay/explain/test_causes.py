"""The cause is named in the first sentence, for a sender that signs time and body."""

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from relay.endpoint import Secret
from relay.explain import explain
from tests.making import NOW, NOW_MS, make_endpoint
from tests.relay.explain.receiving import explain_now, explained, received
from tests.signing import SECRET, signature, signature_header, signed

EVENT = {
    "id": "evt_1",
    "type": "message.new",
    "payload": {"text": "Grüße & <b>mehr</b>/", "count": 2, "attachments": [], "ratio": 1.5},
}
BODY = json.dumps(EVENT, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_right_delivery_passes_and_names_its_secret() -> None:
    """What was wrong may have been mended since it came."""
    explanation = explained(signed(BODY, NOW), BODY, "another one", SECRET)

    assert explanation.verdict == "passes"
    assert explanation.cause.startswith("It passes now with the variable TEST")
    assert {step.outcome for step in explanation.steps[:-3]} == {"ok"}


def test_a_wrong_secret_is_named() -> None:
    """Nothing that is tried makes it right."""
    explanation = explained(signed(BODY, NOW, "wes_another"), BODY)

    assert explanation.verdict == "signature_mismatch"
    assert explanation.cause == (
        "No secret of the endpoint made this signature: tried the variable TEST."
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (f"{SECRET}\n", SECRET, "it ends with a line break"),
        (f"{SECRET}\r\n", SECRET, "it ends with a line break"),
        (f" {SECRET}", SECRET, "there are blanks around it"),
        (f"\ufeff{SECRET}", SECRET, "it begins with a byte order mark"),
        (f'"{SECRET}"', SECRET, "it stands in quotes"),
        (f"'{SECRET}'\n", SECRET, "it stands in quotes"),
        (f"export RELAY_SECRET='{SECRET}'", SECRET, "it holds a whole line NAME=value"),
        (f"whsec_{SECRET}", SECRET, 'it begins with "whsec_"'),
        (f"v1,whsec_{SECRET}", f"whsec_{SECRET}", 'it begins with "v1,"'),
        (f"v1,whsec_{SECRET}", SECRET, 'it begins with "v1,whsec_"'),
        (SECRET, f"{SECRET}\n", "the sender's ends with a line break"),
        (SECRET, f"{SECRET}\r\n", "the sender's ends with a line break (CR LF)"),
        (SECRET, f"{SECRET} ", "the sender's ends with a blank"),
        (SECRET, f'"{SECRET}"', "the sender's stands in quotes"),
        (SECRET, f"whsec_{SECRET}", 'the sender\'s begins with "whsec_"'),
        ("6b65792d6f662d74657374", "key-of-test", "the sender takes its hex for the bytes"),
        ("a2V5LW9mLXRlc3Q=", "key-of-test", "the sender takes its base64 for the bytes"),
    ],
)
def test_a_secret_that_is_written_otherwise_is_named_with_what_differs(
    ours: str, theirs: str, words: str
) -> None:
    """What an editor, a shell or a form adds, or leaves out, is nothing anyone sees."""
    explanation = explained(signed(BODY, NOW, theirs), BODY, "no part of this", ours)

    assert words in explanation.cause
    assert "The secret in the variable TEST is not written as the sender's" in explanation.cause


def test_a_line_break_that_only_the_sender_has_is_not_asked_for_in_a_file() -> None:
    """The relay takes none from the end of a file."""
    endpoint = replace(make_endpoint(), secrets=(Secret(SECRET, "file:/run/secrets/unipile"),))
    request = received(signed(BODY, NOW, f"{SECRET}\n"), BODY)
    explanation = explain_now(endpoint, request)

    assert "The secret in the file /run/secrets/unipile" in explanation.cause
    assert explanation.remedy.startswith("Take the line break out of the secret at the sender")


def test_of_two_faults_the_secret_is_named_first() -> None:
    """A signature is judged before its age."""
    explanation = explained(signed(BODY, NOW - 3600, f"{SECRET}\n"), BODY)

    assert "the sender's ends with a line break" in explanation.cause


def test_the_secret_of_another_endpoint_is_named() -> None:
    """Two of them were confused."""
    others = {"unipile": [Secret(SECRET, "env:OWN")], "billing": [Secret("bill-it", "env:BILLING")]}
    request = received(signed(BODY, NOW, "bill-it"), BODY)
    explanation = explain_now(make_endpoint(), request, others=others)

    assert explanation.cause == (
        "It was signed with the secret of endpoint billing (the variable BILLING)."
    )


def test_the_verify_token_as_a_secret_is_named() -> None:
    """It stands beside the secret in the configuration."""
    endpoint = make_endpoint(verify_token=Secret("the-token", "env:TOKEN"))
    explanation = explain_now(endpoint, received(signed(BODY, NOW, "the-token"), BODY))

    assert explanation.cause == (
        "It was signed with the endpoint's verify token (the variable TOKEN)."
    )


def rewritten(**how: Any) -> bytes:
    """Parse the body and write it again."""
    return json.dumps(json.loads(BODY), **how).encode()


PHP = rewritten(separators=(",", ":")).replace(b"/", b"\\/")


@pytest.mark.parametrize(
    ("was", "came", "words"),
    [
        (BODY, rewritten(), "the same JSON written compactly and with characters outside ASCII as"),
        (BODY, rewritten(ensure_ascii=False), "the same JSON written compactly."),
        (BODY, rewritten(indent=2), "the same JSON written compactly and with characters"),
        (BODY, rewritten(indent="\t", ensure_ascii=False), "the same JSON written compactly."),
        (rewritten(), BODY, "with blanks after commas and colons and with characters outside"),
        (rewritten(indent=2, ensure_ascii=False), BODY, "the same JSON written indented by 2."),
        (rewritten(indent=4), BODY, "indented by 4 and with characters outside ASCII escaped"),
        (rewritten(indent="\t"), rewritten(), "the same JSON written indented by tabs."),
        (PHP, BODY, "compactly and with slashes escaped"),
        (rewritten(sort_keys=True), BODY, "keys in alphabetical order"),
        (BODY.replace(b"2", b"2.0"), BODY, "with numbers like 1 as 1.0"),
        (BODY, BODY.replace(b"2", b"2.0"), "with numbers like 1.0 as 1"),
        (BODY.replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003e"), BODY,
         "with <, > and & escaped"),
        (BODY, BODY + b"\n", "the same body without the line break at its end"),
        (BODY + b"\n", BODY, "the same body with a line break at its end"),
        (rewritten() + b"\n", rewritten(separators=(",", ":")),
         "with blanks after commas and colons and with a line break at its end"),
        (b'{\r\n"id":1}', b'{\n"id":1}', "the same body with lines that end in CR LF"),
        (b'{\n"id":1}', b'{\r\n"id":1}', "the same body with lines that end in LF"),
        (BODY, b"\xef\xbb\xbf" + BODY, "the same body without the byte order mark before it"),
        (b"\xef\xbb\xbf" + BODY, BODY, "the same body with a byte order mark before it"),
        (BODY, BODY.decode("latin-1").encode(), "the same text in ISO 8859-1"),
        (BODY, BODY.decode().encode("latin-1"), "the same text in UTF-8, and not in ISO 8859-1"),
        (b"a=1+2&b=%7E", b"a=1%202&b=~", None),
        (b"a=1+2&b=x", b"a=1%202&b=x", "the same form written with + for blanks"),
        (BODY, zlib.compress(BODY), "the body before it was compressed"),
        (b"", BODY, "an empty body"),
    ],
)  # fmt: skip
def test_a_body_that_was_written_again_is_named(was: bytes, came: bytes, words: str | None) -> None:
    """What parses a body and dumps it changes its bytes, and they are what is signed."""
    explanation = explained(signed(was, NOW), came, "no part of this", SECRET)

    named = "The body was changed on its way: the signature fits"
    assert explanation.cause.startswith(named) is (words is not None)
    assert words is None or words in explanation.cause


@pytest.mark.parametrize(
    ("headers", "body", "cause"),
    [
        ({"content-encoding": "gzip"}, BODY, "The body was probably unpacked on its way"),
        ({"content-encoding": "br"}, BODY, "content-encoding says br, and it is not packed"),
        ({}, b"", "The body is empty, and the signature is of another one."),
        ({}, '{"a":"\ufffd"}'.encode(), "characters that stand for bytes that could not be read"),
    ],
)
def test_a_change_that_cannot_be_undone_is_called_likely(
    headers: dict[str, str], body: bytes, cause: str
) -> None:
    """What was signed is not there any more."""
    explanation = explained({**headers, **signed(BODY + b" ", NOW)}, body)

    assert cause in explanation.cause


@pytest.mark.parametrize(
    ("age", "cause"),
    [
        (3600, "3600 s (1 h) old: 1 h, as where a clock or a time zone is set wrong"),
        (3600 + 31, "3631 s (1 h 31 s) old: 1 h, as where a clock"),
        (-7200, "7200 s (2 h) in the future: 2 h, as where a clock"),
        (19_800, "19800 s (5 h 30 min) old: 5.5 h, as where a clock"),
        (1000, "it was 1000 s (16 min 40 s) old when it came: 300 s (5 min) are allowed"),
        (-301, "301 s (5 min 1 s) in the future"),
        (40 * 86_400, "3456000 s (40 d) old when it came"),
    ],
)
def test_a_wrong_time_is_named_with_how_far_it_is_off(age: int, cause: str) -> None:
    """Whole hours are a clock or a time zone."""
    explanation = explained(signed(BODY, NOW - age), BODY)

    assert cause in explanation.cause
    assert explanation.steps[-1].outcome == "failed"


def test_what_would_have_taken_a_late_retry_is_right() -> None:
    """The number in the remedy can be copied."""
    request = received(signed(BODY, NOW - 1000), BODY)
    late = explain_now(make_endpoint(), request)
    mended = explain_now(make_endpoint(late_tolerance_seconds=701), request)

    assert "late_tolerance_seconds = 701 would have taken it" in late.remedy
    assert mended.verdict == "passes"


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({}, "The header unipile-signature did not come, nor anything like it."),
        ({"X-Unipile-Signature": "t=1"}, "did not come, but x-unipile-signature did"),
        ({"unipile_signature": "t=1"}, "did not come, but unipile_signature did"),
        ({"x-some-hmac": "t=1"}, "did not come, but x-some-hmac did"),
        ({"X-Hub-Signature-256": "sha256=ab", "x-github-event": "push"},
         "this looks like a delivery of GitHub: x-hub-signature-256"),
        ({"x-gitlab-token": "a"}, "this looks like a delivery of GitLab"),
        ({"stripe-signature": "t=1"}, "this looks like a delivery of Stripe: stripe-signature"),
        ({"x-secret": SECRET}, "x-secret holds the secret in the variable TEST itself"),
        ({"authorization": f"Bearer {SECRET}"}, "authorization holds the secret in the variable"),
    ],
)  # fmt: skip
def test_a_missing_header_is_named_with_what_came_instead(
    headers: dict[str, str], cause: str
) -> None:
    """A proxy, another sender or another product is behind it."""
    explanation = explained(headers, BODY)

    assert explanation.verdict == "signature_missing"
    assert cause in explanation.cause


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Unipile-Auth": "whatever"}, BODY),
        ({"Unipile-Auth": "whatever"}, None),
        ({}, b'{"event":"message_received","account_id":"d","chat_id":"R"}'),
        ({}, b'{"AccountStatus":{"account_id":"d","message":"OK"}}'),
        ({}, b"AccountStatus%5Baccount_id%5D=d&AccountStatus%5Bmessage%5D=OK"),
        ({}, b'{"status":"CREATION_SUCCESS","account_id":"d","name":"n"}'),
        ({"x-own": SECRET}, b'{"renamed":"message_received"}'),
        ({"x-own": SECRET}, None),
    ],
)
def test_a_webhook_of_the_older_version_is_told(
    headers: dict[str, str], body: bytes | None
) -> None:
    """It has no signature at all, so no secret would make it right."""
    explanation = explained(headers, body)

    assert explanation.cause.startswith(
        "This is a webhook of Unipile's API version 1, which has no signature"
    )
    own = ' and token = { place = "header.x-own" }' if "x-own" in headers else ""
    assert explanation.remedy.endswith(f'with provider = "unipile-v1"{own}.')


def test_any_event_without_a_signature_is_not_taken_for_one_of_the_older_version() -> None:
    """Many senders call their events that, and so may a stranger."""
    explanation = explained({}, b'{"event":"push","repository":"relay"}')

    assert "version 1" not in explanation.cause


def test_an_event_of_the_newer_version_is_not_taken_for_an_older_one() -> None:
    """It has a type."""
    explanation = explained({}, b'{"type":"message.new","event":"message_received"}')

    assert "did not come, nor anything like it" in explanation.cause


HEADER = signature_header(BODY, NOW)
HEX = signature(BODY, NOW)


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        (HEADER[:-1], "63 characters came that are no whole hex, and 32 bytes are expected"),
        (HEADER[:-2], "31 bytes came, and 32 are expected"),
        (f"t={NOW},v0={HEX[:40]}", "20 bytes came, and 32 are expected: so many are made by HMAC-"),
        (f"t={NOW},v0=K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "it is written in base64"),
        (f"t={NOW},v1={HEX}", "has no part v0=… with a signature; its parts are: t and v1"),
        (f"v0={HEX}", "There is no time: the part t of the header did not come"),
        (f"t={NOW},t={NOW},v0={HEX}", "There are 2 times in the header"),
        (f"t={NOW}000,v0={HEX}", "cannot be read in seconds: it is written in milliseconds"),
        (f"t=2026-10-01T00:00:00Z,v0={HEX}", "in seconds: it is written in iso8601"),
        (f"t=x,v0={HEX}", "The time in the part t of the header cannot be read in seconds (1 "),
        ("v0=" + "a" * 5000, "The signature's header has 5003 characters; 4096 are read"),
        (SECRET, "unipile-signature holds the secret in the variable TEST itself, and no sign"),
        (f"{HEX}=", "its parts are: a word of 64 characters"),
        ("nothing like it", "has no part v0=… with a signature; its parts are: none"),
    ],
)
def test_a_malformed_header_is_named_by_its_part(header: str, cause: str) -> None:
    """What cannot be read, and what it looks like."""
    explanation = explained({"unipile-signature": header}, BODY)

    assert cause in explanation.cause


def test_a_secret_beside_a_malformed_signature_is_not_its_cause() -> None:
    """It may be what a proxy wants to see."""
    headers = {"unipile-signature": f"v0={HEX}", "authorization": f"Bearer {SECRET}"}

    assert explained(headers, BODY).cause.startswith("There is no time")


def test_an_endpoint_without_a_secret_is_told() -> None:
    """It comes by a handshake, and nobody has accepted it yet."""
    endpoint = replace(make_endpoint(), secrets=())
    explanation = explain_now(endpoint, received(signed(BODY, NOW), BODY))

    assert explanation.cause == "The endpoint has no secret yet, so every delivery is refused."


DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("bounds", "cause"),
    [
        ({"not_after_ms": NOW_MS - DAY_MS}, "does not count after 2026-10-11 09:14:08 UTC"),
        ({"not_before_ms": NOW_MS + DAY_MS}, "does not count before 2026-10-13 09:14:08 UTC"),
        (
            {"not_before_ms": NOW_MS - DAY_MS, "not_after_ms": NOW_MS - 1},
            "counts from 2026-10-11 09:14:08 UTC to 2026-10-12 09:14:07 UTC only",
        ),
    ],
)
def test_a_secret_that_does_not_count_now_is_named(bounds: dict[str, int], cause: str) -> None:
    """The sender signs with the old one still, or with the new one already."""
    secrets = (Secret("current", "env:NEW"), Secret(SECRET, "env:OLD", **bounds))
    endpoint = replace(make_endpoint(), secrets=secrets)
    explanation = explain_now(endpoint, received(signed(BODY, NOW), BODY))

    assert explanation.cause == (
        f"It was signed with the secret in the variable OLD, which {cause}."
    )


def test_the_secrets_that_count_now_are_tried_and_not_those_of_then() -> None:
    """What came yesterday is to be accepted with what is configured today."""
    today = Secret(SECRET, "env:NEW", not_before_ms=NOW_MS + DAY_MS)
    endpoint = replace(make_endpoint(), secrets=(today,))
    request = received(signed(BODY, NOW), BODY)
    then = explain(endpoint, request, now_ms=NOW_MS)
    today_explained = explain(endpoint, request, now_ms=NOW_MS + DAY_MS)

    assert then.cause == "None of the endpoint's secrets counts at this time."
    assert today_explained.verdict == "passes"


def test_a_body_that_was_not_kept_is_said_to_be_missing() -> None:
    """Its head may be judged all the same."""
    whole = explained(signed(BODY, NOW), None, body_bytes=300_000)
    headless = explained({}, None)

    assert whole.verdict == "not_judged"
    assert "its body was not kept whole" in whole.cause
    assert headless.verdict == "signature_missing"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("method_not_allowed", "The request had a method that the endpoint does not take."),
        ("body_too_large", "The body is longer than the relay takes."),
        ("handshake_refused", "The request by which the sender tries the endpoint"),
        ("certificate_unavailable", "The sender's certificate could not be fetched"),
        ("something_new", "nothing to do with its signature"),
    ],
)
def test_a_reason_that_is_no_signatures_has_a_sentence_of_its_own(reason: str, cause: str) -> None:
    """Nothing is verified again for it."""
    explanation = explain_now(make_endpoint(), received({}, b""), reason=reason)

    assert cause in explanation.cause
    assert explanation.verdict == "not_judged"


def test_a_signature_is_judged_at_the_time_at_which_it_came() -> None:
    """It is explained hours later."""
    request = received(signed(BODY, NOW), BODY)
    explanation = explain(make_endpoint(), request, now_ms=NOW_MS + 86_400_000)

    assert explanation.verdict == "passes"


def test_a_secret_that_came_as_the_name_of_a_header_is_hidden() -> None:
    """Names of headers are shown, and a sender may write anything."""
    explanation = explained({f"x-signature-{SECRET}": "a"}, BODY)

    assert SECRET not in explanation.cause
    assert "x-signature-" in explanation.cause


def test_a_long_secret_that_came_as_the_name_of_a_header_is_hidden_where_it_is_cut() -> None:
    """Only the beginning of a long name is shown, and it would be nearly all of the secret."""
    secret = "7f3a9c51" * 8
    explanation = explained({f"x-signature-{secret}": "a"}, BODY, secret)

    assert secret[:8] not in explanation.cause
    assert "x-signature-" in explanation.cause
