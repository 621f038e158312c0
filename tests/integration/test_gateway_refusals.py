"""The HTTP face, over a real store: what is refused, and how the refusal looks."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.integration.gateways import BODY, PATH, Road, Running, problem_of, running
from tests.making import now
from tests.servers import Server
from tests.signing import signature, signature_header, signed

pytestmark = pytest.mark.redis


@pytest.mark.parametrize(
    ("make_header", "reason"),
    [
        (lambda: None, "signature_missing"),
        (lambda: "", "signature_malformed"),
        (lambda: "hello", "signature_malformed"),
        (lambda: f"t={now()},v0=xyz", "signature_malformed"),
        (lambda: b"t=1,v0=\xff\xfe".decode("latin-1"), "signature_malformed"),
        (lambda: f"t={now()},v0={'0' * 64}", "signature_mismatch"),
        (lambda: signature_header(BODY, secret="another"), "signature_mismatch"),
        (lambda: signature_header(BODY + b" "), "signature_mismatch"),
        (lambda: f"t={now() + 1},v0={signature(BODY, now())}", "signature_mismatch"),
        (lambda: signature_header(BODY, now() - 400), "timestamp_too_old"),
        (lambda: signature_header(BODY, now() + 400), "timestamp_in_future"),
    ],
)
async def test_what_does_not_prove_itself_is_refused(
    gateway: Running, make_header: Callable[[], str | None], reason: str
) -> None:
    """401 with the right reason, and nothing is stored."""
    header = make_header()
    headers = {} if header is None else {"unipile-signature": header}

    response = await gateway.client.post(PATH, data=BODY, headers=headers)

    assert await problem_of(response) == (401, reason)
    assert await gateway.streams() == set()


@pytest.mark.parametrize(
    "path",
    ["/webhooks/other", "/webhooks/", "/webhooks/unipile/x", "/", "/metrics", "/webhooks/%00"],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_other_paths_are_unknown(gateway: Running, method: str, path: str) -> None:
    """404 in the form of every refusal; the metrics are not on this listener."""
    response = await gateway.client.request(method, path, data=b"x")

    assert await problem_of(response) == (404, "unknown_endpoint")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(gateway: Running, method: str) -> None:
    """405 with the method that would be right, signed or not."""
    response = await gateway.client.request(method, PATH, headers=signed(b""))

    assert await problem_of(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_is_only_asked(gateway: Running, path: str) -> None:
    """Its answers have an id like all others, and a wrong method is told the right ones."""
    asked = await gateway.client.get(path)
    posted = await gateway.client.post(path, data=b"x")

    assert asked.status == 200
    assert asked.headers["relay-request-id"]
    assert await problem_of(posted) == (405, "method_not_allowed")
    assert posted.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
async def test_a_body_of_the_allowed_length_is_taken_and_a_longer_one_is_not(
    server: Server, *, chunked: bool
) -> None:
    """413 one byte beyond the limit, whether the length is announced or not."""

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        yield body

    async with running(server, {"max_body_bytes": 2000}) as gateway:
        answers = [
            await gateway.client.post(
                PATH, data=chunks(body) if chunked else body, headers=signed(body)
            )
            for body in (b"x" * 2000, b"x" * 2001)
        ]
        stored = await gateway.events("unidentified")
        in_hand = gateway.gateway.budget.in_hand_bytes

        assert answers[0].status == 200
        assert await problem_of(answers[1]) == (413, "body_too_large")
    assert [len(event.data) for event in stored.values()] == [2000]
    assert in_hand == 0


async def test_a_bug_is_answered_500_without_its_message(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is an answer too, and its text stays inside."""

    async def broken(*_: object) -> None:
        raise ValueError(BODY)

    monkeypatch.setattr("relay.pipeline.Pipeline.accept", broken)

    response = await gateway.send(BODY)

    assert await problem_of(response) == (500, "internal_error")
    assert b"evt_1" not in await response.read()


async def test_a_refusal_is_the_same_answer_by_both_roads(server: Server) -> None:
    """Written as one piece, or by aiohttp: the same status, headers and words."""
    roads: tuple[Road, Road] = ("served", "embedded")
    answers = []
    for road in roads:
        async with running(server, road=road) as gateway:
            for answer in (
                await gateway.client.post(PATH, data=BODY),
                await gateway.client.get(PATH),
            ):
                names = {"content-type", "content-length", "server", "allow"}
                headers = {name: answer.headers.get(name) for name in names}
                answers.append((answer.status, answer.reason, await answer.read(), headers))
                assert set(answer.headers) >= {"Date", "relay-request-id"}

    assert answers[:2] == answers[2:]
    assert [status for status, *_ in answers] == [401, 405, 401, 405]
