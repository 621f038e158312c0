"""Each sender's handshake over HTTP, with no store to be asked."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateways import Running, problem_of
from tests.relay.handshake.trying import (
    ORIGIN,
    VERIFY_TOKEN,
    Headers,
    by_key,
    by_time,
    digest,
    slack,
    trying,
    written,
    zoom,
)

TOKEN = "qgg8vlvZRS6UYooatFL8Aw"
GRAPH = "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e"
META = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={VERIFY_TOKEN}"
SLACK = written(
    {"token": "old", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd", "type": "url_verification"}
)
ZOOM = written(
    {"payload": {"plainToken": TOKEN}, "event_ts": 1, "event": "endpoint.url_validation"}
)
PING = written({"version": 1, "application_id": "1234560123453231555", "type": 0})
INTERACTION = written({"id": "1", "application_id": "2", "type": 1, "token": "t", "version": 1})


@pytest.fixture(params=["served", "embedded"])
async def gateway(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A gateway without a store, by both roads."""
    async with trying(tmp_path, road=request.param) as one:
        yield one


@pytest.mark.parametrize(
    ("name", "body", "sign", "status", "answer"),
    [
        ("slack", SLACK, slack, 200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"),
        (
            "zoom",
            ZOOM,
            zoom,
            200,
            {"plainToken": TOKEN, "encryptedToken": digest(TOKEN.encode()).hex()},
        ),
        ("discord", PING, by_key, 204, ""),
        ("discord", INTERACTION, by_key, 200, {"type": 1}),
    ],
    ids=["slack", "zoom", "discord-events", "discord-interactions"],
)
async def test_a_signed_handshake_is_answered_and_an_unsigned_one_is_not(
    gateway: Running,
    name: str,
    body: bytes,
    sign: Callable[[bytes], Headers],
    status: int,
    answer: Any,
) -> None:
    """As the sender wants it; a wrong signature gets 401, as Discord tries on purpose."""
    good = await gateway.client.post(f"/webhooks/{name}", data=body, headers=sign(body))
    unsigned = await gateway.client.post(f"/webhooks/{name}", data=body)
    wrong = await gateway.client.post(f"/webhooks/{name}", data=body, headers=sign(body + b" "))

    assert good.status == status
    assert await (good.json() if isinstance(answer, dict) else good.text()) == answer
    assert await problem_of(unsigned) == (401, "signature_missing")
    assert await problem_of(wrong) == (401, "signature_mismatch")


@pytest.mark.parametrize(
    ("method", "path", "headers", "answer"),
    [
        ("GET", f"meta?{META}", {}, "1158201444"),
        ("GET", "dropbox?challenge=Y2hhbGxlbmdl-_1", {}, "Y2hhbGxlbmdl-_1"),
        ("POST", f"microsoft-graph?validationToken={GRAPH.replace(' ', '+')}", {}, GRAPH),
        (
            "GET",
            f"x?crc_token={TOKEN}&nonce=abc",
            {},
            {"response_token": f"sha256={base64.b64encode(digest(TOKEN.encode())).decode()}"},
        ),
        ("GET", "okta", {"x-okta-verification-challenge": "abc.d/e"}, {"verification": "abc.d/e"}),
    ],
    ids=["meta", "dropbox", "microsoft-graph", "x", "okta"],
)
async def test_an_unsigned_handshake_is_answered(
    gateway: Running, method: str, path: str, headers: Headers, answer: Any
) -> None:
    """With nothing but what it asked for, and never as a page."""
    response = await gateway.client.request(method, f"/webhooks/{path}", headers=headers)
    is_text = isinstance(answer, str)

    assert response.status == 200
    assert await (response.text() if is_text else response.json()) == answer
    kind = "text/plain" if is_text else "application/json"
    assert response.headers["content-type"] == f"{kind}; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["relay-request-id"]


@pytest.mark.parametrize("name", ["intercom", "trello"])
async def test_a_probe_is_answered_where_the_sender_sends_one(gateway: Running, name: str) -> None:
    """They make no webhook without it; elsewhere there is no such request."""
    probed = await gateway.client.head(f"/webhooks/{name}")
    other = await gateway.client.head("/webhooks/slack")
    got = await gateway.client.get(f"/webhooks/{name}")

    assert (probed.status, await probed.read()) == (200, b"")
    assert (other.status, other.headers["allow"]) == (405, "POST")
    assert (got.status, got.headers["allow"]) == (405, "POST, HEAD")


async def test_an_origin_is_allowed_only_by_name(gateway: Running) -> None:
    """The header that allows is the consent; a status is none."""
    path = "/webhooks/cloudevents"

    ours = await gateway.client.options(path, headers={"webhook-request-origin": ORIGIN})
    other = await gateway.client.options(path, headers={"webhook-request-origin": "evil.example"})

    assert ours.status == 200
    assert ours.headers["webhook-allowed-origin"] == ORIGIN
    assert ours.headers["webhook-allowed-rate"] == "*"
    assert ours.headers["allow"] == "POST"
    assert await problem_of(other) == (403, "handshake_refused")
    assert "webhook-allowed-origin" not in other.headers


@pytest.mark.parametrize(
    "path",
    [
        f"meta?{META}x",
        "meta?hub.mode=subscribe&hub.challenge=1",
        "meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=%ff%00",
        f"meta?{META.replace('subscribe', 'unsubscribe')}",
        f"meta?{META.replace('1158201444', '%3Cscript%3E')}",
        "dropbox",
        "dropbox?challenge=",
        "dropbox?challenge=%3Cb%3E",
        "dropbox?challenge=a%0d%0ab",
        "dropbox?challenge=%c3%a9",
        "dropbox?challenge=" + "a" * 513,
        "dropbox?" + "a=1&" * 30 + "challenge=a",
        "x?crc_token=",
        "x?crc_token=" + "a" * 129,
        "x?crc_token=v0:1531420618:body",
        "x?crc_token=%7B%22for_user_id%22%3A%221%22%7D",
        "x?crc_token=a.b",
        "okta",
    ],
)
async def test_a_handshake_that_is_not_as_it_should_be_is_refused(
    gateway: Running, path: str
) -> None:
    """Wrong tokens, challenges that could do harm where they are sent, and signable messages."""
    response = await gateway.client.get(f"/webhooks/{path}")

    assert await problem_of(response) == (403, "handshake_refused")


@pytest.mark.parametrize(
    "token",
    ["v0:1531420618:{}", "a.b", "a b", "{}", "", "a" * 129, "a\n", 7, None, ["a"]],
)
async def test_a_zoom_token_that_is_a_signable_message_is_refused(
    gateway: Running, token: object
) -> None:
    """The answer would be a signature for whatever the caller chose; Zoom's own have no colon."""
    body = written({"event": "endpoint.url_validation", "payload": {"plainToken": token}})

    response = await gateway.client.post("/webhooks/zoom", data=body, headers=zoom(body))

    assert await problem_of(response) == (403, "handshake_refused")


async def test_what_x_can_be_made_to_sign_is_no_delivery(gateway: Running) -> None:
    """Whoever asks for the signature of a token gets none that is good for a body."""
    asked = await gateway.client.get(f"/webhooks/x?crc_token={TOKEN}")
    signature = (await asked.json())["response_token"]

    response = await gateway.client.post(
        "/webhooks/x", data=TOKEN, headers={"x-twitter-webhooks-signature": signature}
    )

    assert await problem_of(response) == (401, "signature_mismatch")


@pytest.mark.parametrize(
    ("name", "method", "allowed"),
    [
        ("unipile", "GET", "POST"),
        ("unipile", "OPTIONS", "POST"),
        ("slack", "GET", "POST"),
        ("dropbox", "HEAD", "POST, GET"),
        ("dropbox", "OPTIONS", "POST, GET"),
        ("cloudevents", "GET", "POST, OPTIONS"),
        ("notion", "PUT", "POST"),
    ],
)
async def test_other_methods_stay_refused(
    gateway: Running, name: str, method: str, allowed: str
) -> None:
    """405 with the methods that this sender has a use for."""
    response = await gateway.client.request(
        method, f"/webhooks/{name}?challenge=a", headers={"webhook-request-origin": ORIGIN}
    )

    assert response.status == 405
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("name", "body", "sign"),
    [
        ("slack", written({"type": "event_callback", "challenge": "a"}), slack),
        ("slack", b"type=url_verification&challenge=a", slack),
        ("zoom", written({"event": "meeting.started", "payload": {"plainToken": TOKEN}}), zoom),
        ("discord", written({"type": 1, "event": {"type": "APPLICATION_AUTHORIZED"}}), by_key),
        ("discord", written({"type": True}), by_key),
        ("discord", written({"type": 2, "id": "1"}), by_key),
    ],
)
async def test_an_event_that_looks_like_a_handshake_is_an_event(
    gateway: Running, name: str, body: bytes, sign: Callable[[bytes], Headers]
) -> None:
    """It goes on to the store, which is away."""
    response = await gateway.client.post(f"/webhooks/{name}", data=body, headers=sign(body))

    assert response.status == 503


@pytest.mark.parametrize("name", ["asana", "notion"])
async def test_a_secret_that_cannot_be_kept_is_asked_for_again(gateway: Running, name: str) -> None:
    """503: the sender tries once more, or tells its user to."""
    secret = "secret_that_comes_by_a_handshake"
    headers = {"x-hook-secret": secret} if name == "asana" else {}

    response = await gateway.client.post(
        f"/webhooks/{name}", data=written({"verification_token": secret}), headers=headers
    )

    assert await problem_of(response) == (503, "store_unavailable")
    assert "retry-after" in response.headers


async def test_handshakes_are_counted(gateway: Running) -> None:
    """As an outcome of their own."""
    await gateway.client.get("/webhooks/dropbox?challenge=a")
    await gateway.client.get("/webhooks/dropbox")
    text = gateway.gateway.metrics.text().decode()

    assert 'relay_deliveries_total{endpoint="dropbox",outcome="handshake"} 1' in text
    assert 'relay_deliveries_total{endpoint="dropbox",outcome="handshake_refused"} 1' in text


async def test_the_answer_is_made_with_the_secret_that_signed(
    tmp_path: Path,
) -> None:
    """While a secret is being replaced, a sender expects the answer made with its own."""
    (tmp_path / "second").write_text("another_secret_of_the_sender")
    async with trying(tmp_path, zoom=("secret", "second")) as two:
        headers = by_time("x-zm", "another_secret_of_the_sender")(ZOOM)
        response = await two.client.post("/webhooks/zoom", data=ZOOM, headers=headers)

        expected = digest(TOKEN.encode(), "another_secret_of_the_sender").hex()

        assert (await response.json())["encryptedToken"] == expected
