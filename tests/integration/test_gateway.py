"""The HTTP face, over a real store: what each delivery is answered, and what is stored."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse

from relay.app import create_app
from relay.settings import Settings
from tests.integration.gateways import ENVIRON, PATH, Running, running
from tests.making import now
from tests.servers import Server
from tests.signing import SECRET, signature, signature_header, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

BODY = b'{"id":"evt_1","type":"message.new","account_id":"acc_1","payload":{"text":"h\xc3\xa9"}}'


@pytest.fixture
async def gateway(server: Server) -> AsyncIterator[Running]:
    """A gateway with an endpoint ``unipile``."""
    async with running(server) as one:
        yield one


async def problem_of(response: ClientResponse) -> tuple[int, str]:
    """Give status and reason of a refusal, whose form is checked."""
    details = await response.json(content_type="application/problem+json")

    assert set(details) == {"type", "title", "status", "reason"}
    assert details["status"] == response.status
    assert response.headers["relay-request-id"]
    assert "relay-event-id" not in response.headers
    return response.status, details["reason"]


def body_of(event_id: object, event_type: object = "message.new") -> bytes:
    """Write an event object."""
    return json.dumps({"id": event_id, "type": event_type}).encode()


# What is answered 200.


async def test_a_signed_delivery_is_stored(gateway: Running) -> None:
    """200 with the entry's id, and the entry holds the bytes that were sent."""
    response = await gateway.send(BODY, {"content-type": "application/json", "user-agent": "u/1"})

    assert response.status == 200
    assert await response.read() == b'{"received":true}'
    assert response.content_type == "application/json"
    assert response.headers["relay-event-id"] == "evt_1"
    assert response.headers["relay-request-id"]
    assert response.headers["server"] == "webhook-relay"
    ((entry_id, event),) = (await gateway.events()).items()
    assert response.headers["relay-entry-id"] == entry_id
    assert event.data == BODY
    assert (event.id, event.type, event.account) == ("evt_1", "message.new", "acc_1")
    assert (event.source, event.assurance) == ("/webhooks/unipile", "body")
    assert event.headers == {"content-type": "application/json", "user-agent": "u/1"}


async def test_a_repeat_is_answered_as_a_duplicate(gateway: Running) -> None:
    """Ten times the same delivery: one entry, each answer 200 with its id."""
    answers = [await gateway.send(BODY) for _ in range(10)]

    (entry_id,) = await gateway.events()
    assert [answer.status for answer in answers] == [200] * 10
    assert {answer.headers["relay-entry-id"] for answer in answers} == {entry_id}
    assert [await answer.read() for answer in answers] == [b'{"received":true}'] + [
        b'{"received":true,"duplicate":true}'
    ] * 9


async def test_a_hundred_at_once_make_one_entry(gateway: Running) -> None:
    """Over many connections at the same time, one is stored and the others are duplicates."""
    answers = await asyncio.gather(*[gateway.send(BODY) for _ in range(100)])

    (entry_id,) = await gateway.events()
    bodies = [await answer.read() for answer in answers]
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["relay-entry-id"] for answer in answers} == {entry_id}
    assert bodies.count(b'{"received":true}') == 1


async def test_two_gateways_on_one_store_make_one_entry(server: Server) -> None:
    """Two gateways that get the same deliveries at once store each event once."""
    bodies = [body_of(f"evt_{number}") for number in range(25)]
    async with running(server) as one, running(server) as other:
        answers = await asyncio.gather(
            *[gateway.send(body) for body in bodies for gateway in (one, other, one, other)]
        )
        events = await one.events()

    assert {answer.status for answer in answers} == {200}
    assert sorted(event.data for event in events.values()) == sorted(bodies)
    entries = {(a.headers["relay-event-id"], a.headers["relay-entry-id"]) for a in answers}
    assert entries == {(event.id, entry_id) for entry_id, event in events.items()}


async def test_the_same_event_signed_anew_is_a_duplicate(gateway: Running) -> None:
    """A sender's retry carries another signature and is the same event."""
    await gateway.send(BODY, signed(BODY, now() - 60))

    response = await gateway.send(BODY)

    assert await response.json() == {"received": True, "duplicate": True}


async def test_the_public_constructor_serves_too(server: Server, aiohttp_client: Any) -> None:
    """`create_app` gives an application that other programs and tests can embed."""
    settings = Settings.load(ENVIRON, {"redis": {"url": server.url}})
    client = await aiohttp_client(create_app(settings, ENVIRON))

    response = await client.post(PATH, data=BODY, headers=signed(BODY))

    assert response.status == 200


@pytest.mark.parametrize(
    ("endpoint", "stored"),
    [
        ({"accounts": ["acc_1"]}, True),
        ({"accounts": ["acc_2"]}, False),
        ({"event_types": ["unipile:message.*"]}, True),
        ({"event_types": ["unipile:email.*", "other:*"]}, False),
        ({"event_types": ["*:message.new"], "accounts": ["acc_1"]}, True),
    ],
)
async def test_an_endpoint_takes_what_it_is_configured_for(
    server: Server, endpoint: dict[str, list[str]], *, stored: bool
) -> None:
    """What the endpoint's filter refuses is answered 200 and not stored."""
    async with running(server, endpoint=endpoint) as gateway:
        response = await gateway.send(BODY)
        events = await gateway.events()

    assert response.status == 200
    expected = {"received": True} if stored else {"received": True, "filtered": True}
    assert await response.json() == expected
    assert len(events) == int(stored)
    assert ("relay-entry-id" in response.headers) is stored


# The bytes of the wire.


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, {}),
        (BODY + b"\r\n \n", {"content-type": "application/json"}),
        (BODY, {"content-type": "application/x-www-form-urlencoded"}),
        (BODY, {"content-type": "multipart/form-data; boundary=x"}),
        (BODY, {"content-type": "text/plain; charset=utf-16"}),
        (gzip.compress(BODY), {"content-encoding": "gzip"}),
        (b"\x00\xff\xfe", {}),
        (b"", {}),
        (b"x" * 300_000, {}),
    ],
    ids=["json", "blanks", "form", "multipart", "charset", "gzip", "bytes", "empty", "long"],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
async def test_the_entry_holds_the_bytes_that_were_received(
    gateway: Running, body: bytes, headers: dict[str, str], *, chunked: bool
) -> None:
    """Whatever content type and encoding, sent whole or in chunks: byte for byte the same."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    response = await gateway.client.post(
        PATH, data=chunks() if chunked else body, headers={**signed(body), **headers}
    )

    stored = [
        event.data
        for event_type in ("message.new", "unidentified")
        for event in (await gateway.events(event_type)).values()
    ]
    assert response.status == 200
    assert stored == [body]


async def test_a_compressed_body_is_known_by_what_is_in_it(gateway: Running) -> None:
    """Id and type are found within gzip; the encoding is passed on."""
    packed = gzip.compress(BODY)

    response = await gateway.send(packed, {"content-encoding": "gzip"})

    (event,) = (await gateway.events()).values()
    assert response.headers["relay-event-id"] == "evt_1"
    assert event.content_encoding == "gzip"


async def test_a_bomb_is_stored_packed(gateway: Running) -> None:
    """A small body that would unpack to a gigabyte is kept as it is, unread."""
    bomb = gzip.compress(b"\0" * 50_000_000)

    response = await gateway.send(bomb, {"content-encoding": "gzip"})

    (event,) = (await gateway.events("unidentified")).values()
    assert response.status == 200
    assert event.data == bomb


async def test_a_query_is_kept_without_its_credentials(gateway: Running) -> None:
    """What the sender put behind the path comes along, but no token."""
    await gateway.send(BODY, path=f"{PATH}?region=eu%20west&token={SECRET}&a=1")

    (event,) = (await gateway.events()).values()
    assert event.query == "region=eu%20west&token=redacted&a=1"


# Hostile types and ids.


@pytest.mark.parametrize(
    "event_type",
    ["", "a}{b", "x" * 10_000, "a\r\nb", "\0", "@streams", "relay.x", "unidentified", 17, None, []],
)
async def test_a_hostile_type_is_stored_as_unidentified(
    gateway: Running, event_type: object
) -> None:
    """Verified events are never lost for their type, and make no key of their own."""
    body = body_of("evt_1", event_type)

    response = await gateway.send(body)

    (event,) = (await gateway.events("unidentified")).values()
    assert response.status == 200
    assert (event.id, event.data) == ("evt_1", body)
    assert await gateway.streams() == {"unidentified"}


@pytest.mark.parametrize(
    "event_id",
    ["a\r\nset-cookie: b=c", "a\0b", "x" * 20_000, "é\U0001f600", " ", "\x7f", "\u2028"],
)
async def test_a_hostile_id_is_stored_and_answered(gateway: Running, event_id: str) -> None:
    """Any text is an id; in the answer it appears as a digest only, and it is known again."""
    body = body_of(event_id)

    first, second = [await gateway.send(body) for _ in range(2)]

    (event,) = (await gateway.events()).values()
    assert event.id == event_id
    assert [first.status, second.status] == [200, 200]
    assert first.headers["relay-event-id"].startswith("sha256:")
    assert "set-cookie" not in first.headers
    assert await second.json() == {"received": True, "duplicate": True}


@pytest.mark.parametrize("body", [b"not json", b"{}", b"[1]", body_of(None), body_of("\ud83d")])
async def test_events_without_an_id_are_known_by_their_bytes(gateway: Running, body: bytes) -> None:
    """The same delivery again is a duplicate; the same body signed later is a new event."""
    at = now()
    answers = [await gateway.send(body, signed(body, second)) for second in (at, at, at - 1)]

    bodies = [await answer.json() for answer in answers]
    assert [one.get("duplicate", False) for one in bodies] == [False, True, False]
    assert answers[0].headers["relay-event-id"].startswith("sha256:")


async def test_half_an_emoji_costs_no_type(gateway: Running) -> None:
    """A text that was cut in the middle of a character is stored under its type."""
    body = b'{"id":"evt_1","type":"message.new","text":"cut \\ud83d"}'

    response = await gateway.send(body)

    (event,) = (await gateway.events()).values()
    assert response.headers["relay-event-id"] == "evt_1"
    assert event.data == body


@pytest.mark.parametrize(
    "body", [b'{"id":"\xff","type":"a"}', b'{"type":"a","id":{"\xed\xa0\x80":1}}', b"\xff{}"]
)
async def test_bytes_that_are_no_text_are_stored(gateway: Running, body: bytes) -> None:
    """JSON with broken UTF-8 in it is an event like any other."""
    response = await gateway.send(body)

    assert response.status == 200
    assert len(await gateway.streams()) == 1


# What is refused.


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


@pytest.mark.parametrize("signer", ["new", "old"])
async def test_both_secrets_count_during_a_rotation(
    server: Server, tmp_path_factory: pytest.TempPathFactory, signer: str
) -> None:
    """While two secrets are configured, either signs."""
    directory = tmp_path_factory.mktemp("secrets")
    for name in ("new", "old"):
        (directory / name).write_text(f"{name}\n")
    secrets = [{"file": str(directory / name)} for name in ("new", "old")]

    async with running(server, endpoint={"secrets": secrets}) as gateway:
        response = await gateway.send(BODY, signed(BODY, secret=signer))

    assert response.status == 200


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
        in_hand = gateway.gateway._budget.in_hand_bytes

        assert answers[0].status == 200
        assert await problem_of(answers[1]) == (413, "body_too_large")
    assert [len(event.data) for event in stored.values()] == [2000]
    assert in_hand == 0


# What a start and a new stream write.


async def test_tags_are_known_from_the_start(server: Server) -> None:
    """Readers find every tag before any event came."""
    async with running(server, endpoint={"partitions": 3}) as gateway:

        async def known() -> bool:
            tags: Any = await gateway.store.smembers("relay:@tags")
            return bool(tags == {b"unipile#0", b"unipile#1", b"unipile#2"})

        await wait_until(known, description="the tags are written")


async def test_a_new_stream_is_registered_and_told(gateway: Running) -> None:
    """The registration comes with the entry; readers are woken by the control stream once."""
    first = await gateway.send(BODY)
    await gateway.send(body_of("evt_2"))
    await gateway.send(body_of("evt_3", "email.new"))

    async def told() -> bool:
        return await gateway.store.xlen("relay:@control") >= 2

    await wait_until(told, description="both streams are told")
    raw: Any = await gateway.store.xrange("relay:@control")
    registered: Any = await gateway.store.hgetall("relay:{unipile}@streams")
    assert [fields for _, fields in raw] == [
        {b"what": b"stream", b"tag": b"unipile", b"type": b"message.new"},
        {b"what": b"stream", b"tag": b"unipile", b"type": b"email.new"},
    ]
    assert registered[b"message.new"].decode() == f"1 {first.headers['relay-entry-id']}"


async def test_configured_groups_miss_nothing(server: Server) -> None:
    """A group of the configuration is created at 0 with each stream that its patterns mean."""
    groups = {"crm": ["unipile:message.*"], "all": ["*:*"], "none": ["other:*"]}
    async with running(server, {"groups": groups}) as gateway:
        await gateway.send(BODY)
        await gateway.send(body_of("evt_2", "email.new"))

        async def groups_of(event_type: str) -> dict[str, str]:
            raw: Any = await gateway.store.xinfo_groups(gateway.gateway_key(event_type, "unipile"))
            return {one["name"].decode(): one["last-delivered-id"].decode() for one in raw}

        async def created() -> bool:
            return len(await groups_of("message.new")) + len(await groups_of("email.new")) >= 3

        await wait_until(created, description="the groups are created")
        assert await groups_of("message.new") == {"crm": "0-0", "all": "0-0"}
        assert await groups_of("email.new") == {"all": "0-0"}


async def test_groups_that_are_configured_later_miss_nothing(server: Server) -> None:
    """A gateway that starts with a new group creates it on the streams that exist."""
    async with running(server) as gateway:
        await gateway.send(BODY)
    async with running(server, {"groups": {"late": ["*:*"]}}) as gateway:

        async def created() -> bool:
            raw: Any = await gateway.store.xinfo_groups("relay:{unipile}:message.new")
            return [(one["name"], one["last-delivered-id"]) for one in raw] == [(b"late", b"0-0")]

        await wait_until(created, description="the group is created")


async def test_an_account_stays_in_one_partition(server: Server) -> None:
    """Events are spread over partitions by account, and known again within theirs."""
    bodies = [
        json.dumps({"id": f"evt_{n}", "type": "a", "account_id": f"acc_{n % 5}"}).encode()
        for n in range(30)
    ]
    async with running(server, endpoint={"partitions": 4}) as gateway:
        answers = await asyncio.gather(*[gateway.send(body) for body in bodies + bodies])
        found = {
            tag: [event.account for event in (await gateway.events("a", tag)).values()]
            for tag in (f"unipile#{number}" for number in range(4))
        }

    assert {answer.status for answer in answers} == {200}
    assert sum(len(accounts) for accounts in found.values()) == 30
    homes = [{tag for tag in found if f"acc_{n}" in found[tag]} for n in range(5)]
    assert [len(home) for home in homes] == [1] * 5


async def test_other_prefixes_are_other_relays(server: Server) -> None:
    """Two relays on one server by different prefixes do not know each other's events."""
    async with running(server) as one, running(server, {"prefix": "other"}) as other:
        answers = [await gateway.send(BODY) for gateway in (one, other)]
        stored = await other.store.xlen("other:{unipile}:message.new")

    assert [await answer.json() for answer in answers] == [{"received": True}] * 2
    assert stored == 1


async def test_a_bug_is_answered_500_without_its_message(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is an answer too, and its text stays inside."""

    async def broken(*_: object) -> None:
        raise ValueError(BODY)

    monkeypatch.setattr("relay.receive.accept", broken)

    response = await gateway.send(BODY)

    assert await problem_of(response) == (500, "internal_error")
    assert b"evt_1" not in await response.read()
