"""A stranger's handshake changes nothing: over HTTP, with a store."""

import asyncio
from pathlib import Path

import pytest

from relay.contract.keys import Keys
from relay.handshake import MAX_BODY_BYTES, pending
from relay.handshake.pending import PendingSecrets
from tests.integration.gateways import Running, problem_of
from tests.relay.handshake.trying import (
    ORIGIN,
    VERIFY_TOKEN,
    Headers,
    by_key,
    digest,
    notion,
    slack,
    trying,
    written,
    zoom,
)
from tests.servers import Server

pytestmark = pytest.mark.redis

OURS, THEIRS = "secret_of_notion_itself_0001", "secret_of_a_stranger_0001"
EVENT = written({"id": "evt-1", "type": "page.created", "workspace_id": "w"})


def offered(secret: str) -> bytes:
    """Write Notion's handshake."""
    return written({"verification_token": secret})


async def status_of(gateway: Running, name: str, body: bytes, headers: Headers) -> int:
    """Send a delivery and give the status."""
    response = await gateway.client.post(f"/webhooks/{name}", data=body, headers=headers)
    await response.read()
    return response.status


async def waiting(gateway: Running) -> list[tuple[str, str]]:
    """Give endpoints and secrets that wait."""
    book = PendingSecrets(gateway.store, Keys())
    return [(each.endpoint, each.secret) for each in await book.waiting()]


async def test_a_secret_that_came_by_a_handshake_counts_only_when_accepted(
    server: Server, tmp_path: Path
) -> None:
    """Until an operator has put it into the endpoint's file, nothing signed with it is taken."""
    async with trying(tmp_path, server) as gateway:
        tried = await status_of(gateway, "notion", offered(OURS), {})
        before = await status_of(gateway, "notion", EVENT, notion(EVENT, OURS))
        found = await waiting(gateway)
    (tmp_path / "notion.secret").write_text(OURS)
    async with trying(tmp_path, server) as gateway:
        after = await status_of(gateway, "notion", EVENT, notion(EVENT, OURS))

    assert (tried, before, after) == (200, 401, 200)
    assert found == [("notion", OURS)]


async def test_a_strangers_secret_stays_without_effect(server: Server, tmp_path: Path) -> None:
    """Neither is what it signs taken, nor is the sender's own secret refused."""
    (tmp_path / "notion.secret").write_text(OURS)
    (tmp_path / "asana.secret").write_text(OURS)
    async with trying(tmp_path, server) as gateway:
        assert await status_of(gateway, "notion", offered(THEIRS), {}) == 200
        assert await status_of(gateway, "asana", b"", {"x-hook-secret": THEIRS}) == 200

        assert await status_of(gateway, "notion", EVENT, notion(EVENT, THEIRS)) == 401
        forged = {"x-hook-signature": digest(b"{}", THEIRS).hex()}
        assert await status_of(gateway, "asana", b"{}", forged) == 401
        assert await status_of(gateway, "notion", EVENT, notion(EVENT, OURS)) == 200
        genuine = {"x-hook-signature": digest(b"{}", OURS).hex()}
        assert await status_of(gateway, "asana", b"{}", genuine) == 200
        assert await waiting(gateway) == [("asana", THEIRS), ("notion", THEIRS)]


async def test_asana_is_given_its_secret_back(server: Server, tmp_path: Path) -> None:
    """In the header in which it came."""
    async with trying(tmp_path, server) as gateway:
        response = await gateway.client.post(
            "/webhooks/asana", data=b"{}", headers={"x-hook-secret": OURS}
        )

        assert response.status == 200
        assert response.headers["x-hook-secret"] == OURS
        assert await response.read() == b""


async def test_a_secret_that_counts_already_does_not_wait(server: Server, tmp_path: Path) -> None:
    """A sender that tries its endpoint again has nothing for the operator to do."""
    (tmp_path / "notion.secret").write_text(OURS)
    async with trying(tmp_path, server) as gateway:
        assert await status_of(gateway, "notion", offered(OURS), {}) == 200
        assert await waiting(gateway) == []


async def test_a_flood_of_secrets_is_refused_beyond_the_bound(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that came first stay, and other endpoints have room."""
    monkeypatch.setattr(pending, "MAX_PER_ENDPOINT", 2)
    async with trying(tmp_path, server) as gateway:
        first = await status_of(gateway, "notion", offered(OURS), {})
        for number in range(20):
            body = offered(f"{THEIRS}{number}")
            response = await gateway.client.post("/webhooks/notion", data=body)
        other = await status_of(gateway, "asana", b"", {"x-hook-secret": OURS})
        found = await waiting(gateway)

        assert await problem_of(response) == (403, "too_many_secrets")
        assert (first, other) == (200, 200)
        assert found == [("asana", OURS), ("notion", OURS), ("notion", f"{THEIRS}0")]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (offered("short"), 403, "handshake_refused"),
        (offered("a" * 257), 403, "handshake_refused"),
        (offered("a line of several words"), 403, "handshake_refused"),
        (offered("secret_with_a_line\nbreak"), 403, "handshake_refused"),
        (written({"verification_token": OURS, "type": "page.created"}), 401, "signature_missing"),
        (written({"verification_token": 7}), 401, "signature_missing"),
        (written([{"verification_token": OURS}]), 401, "signature_missing"),
        (b"verification_token=" + OURS.encode(), 401, "signature_missing"),
        (b'{"verification_token":"\xff"', 401, "signature_missing"),
        (b"[" * 9000 + b'"verification_token"', 401, "signature_missing"),
        (EVENT, 401, "signature_missing"),
        (b"", 401, "signature_missing"),
    ],
)
async def test_what_is_no_handshake_keeps_its_answer(
    server: Server, tmp_path: Path, body: bytes, status: int, reason: str
) -> None:
    """And nothing of it is kept."""
    async with trying(tmp_path, server) as gateway:
        response = await gateway.client.post("/webhooks/notion", data=body)

        assert await problem_of(response) == (status, reason)
        assert await waiting(gateway) == []


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
async def test_no_long_body_is_read_for_a_handshake(
    server: Server, tmp_path: Path, *, chunked: bool
) -> None:
    """Unsigned, and too long for one: refused as unsigned, and what is signed is taken."""
    (tmp_path / "notion.secret").write_text(OURS)
    long = written({"id": "evt-2", "type": "page.created", "text": "x" * MAX_BODY_BYTES})

    async def pieces() -> object:
        for at in range(0, len(long), 1000):
            yield long[at : at + 1000]

    async with trying(tmp_path, server) as gateway:
        response = await gateway.client.post("/webhooks/notion", data=pieces() if chunked else long)

        assert await problem_of(response) == (401, "signature_missing")
        assert await status_of(gateway, "notion", long, notion(long, OURS)) == 200


@pytest.mark.parametrize(
    ("length", "begins"), [(MAX_BODY_BYTES, b"HTTP/1.1 100"), (MAX_BODY_BYTES + 1, b"HTTP/1.1 401")]
)
async def test_no_long_body_is_asked_for(
    server: Server, tmp_path: Path, length: int, begins: bytes
) -> None:
    """What is too long for a handshake and has no signature need not even be sent."""
    head = f"POST /webhooks/notion HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n"
    async with trying(tmp_path, server) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(f"{head}expect: 100-continue\r\n\r\n".encode())
        first = await reader.readline()
        writer.close()

        assert first.startswith(begins)


async def test_no_handshake_becomes_an_event(server: Server, tmp_path: Path) -> None:
    """Answered all, and not one entry, tag or index in the store."""
    signed = [
        ("slack", written({"type": "url_verification", "challenge": "a"}), slack),
        (
            "zoom",
            written({"event": "endpoint.url_validation", "payload": {"plainToken": "a"}}),
            zoom,
        ),
        ("discord", written({"type": 0}), by_key),
        ("discord", written({"type": 1}), by_key),
    ]
    token = f"hub.verify_token={VERIFY_TOKEN}"
    unsigned = [
        ("GET", f"meta?hub.mode=subscribe&hub.challenge=1&{token}", {}),
        ("GET", "dropbox?challenge=a", {}),
        ("GET", "x?crc_token=a", {}),
        ("GET", "okta", {"x-okta-verification-challenge": "a"}),
        ("POST", "microsoft-graph?validationToken=a", {}),
        ("OPTIONS", "cloudevents", {"webhook-request-origin": ORIGIN}),
        ("POST", "asana", {"x-hook-secret": OURS}),
    ]
    async with trying(tmp_path, server) as gateway:
        answers = [await status_of(gateway, name, body, sign(body)) for name, body, sign in signed]
        answers.append(await status_of(gateway, "notion", offered(OURS), {}))
        for method, path, headers in unsigned:
            response = await gateway.client.request(method, f"/webhooks/{path}", headers=headers)
            answers.append(response.status)

        assert [status for status in answers if status not in {200, 204}] == []
        assert await gateway.streams() == set()
