"""The HTTP face, over a real store: what is answered 200, and what is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.app import create_app
from relay.settings import Settings
from tests.integration.gateways import BODY, ENVIRON, PATH, Running, body_of, running
from tests.making import gzipped, now
from tests.servers import Server
from tests.signing import SECRET, signed

pytestmark = pytest.mark.redis


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


# The bytes of the wire.


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, {}),
        (BODY + b"\r\n \n", {"content-type": "application/json"}),
        (BODY, {"content-type": "application/x-www-form-urlencoded"}),
        (BODY, {"content-type": "multipart/form-data; boundary=x"}),
        (BODY, {"content-type": "text/plain; charset=utf-16"}),
        (gzipped(BODY), {"content-encoding": "gzip"}),
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
    packed = gzipped(BODY)

    response = await gateway.send(packed, {"content-encoding": "gzip"})

    (event,) = (await gateway.events()).values()
    assert response.headers["relay-event-id"] == "evt_1"
    assert event.content_encoding == "gzip"


async def test_a_bomb_is_stored_packed(gateway: Running) -> None:
    """A small body that would unpack to a gigabyte is kept as it is, unread."""
    bomb = gzipped(b"\0" * 50_000_000)

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


@pytest.mark.parametrize(("changed_body", "stored"), [("drop", 1), ("store", 2)])
async def test_another_body_under_a_known_id(
    server: Server, changed_body: str, stored: int
) -> None:
    """The endpoint says whether it is dropped or an event of its own, known from then on."""
    one, other = (b'{"id":"evt_1","type":"message.new","a":%d}' % n for n in (1, 2))
    async with running(server, endpoint={"changed_body": changed_body}) as gateway:
        answers = [await gateway.send(body) for body in (one, other, one, other)]
        events = (await gateway.events()).values()

    bodies = [await answer.json() for answer in answers]
    assert [one.get("duplicate", False) for one in bodies] == [False, stored == 1, True, True]
    assert [event.data for event in events] == [one, other][:stored]


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
