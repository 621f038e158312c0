"""What goes wrong because somebody asked for it."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientSession

from relay.unipile.stand_in import KNOWN_TYPES, Fault, StandIn
from tests.relay.unipile.stand_in.receiving import Receiver
from tests.waiting import wait_until

ENDPOINTS = "/v2/webhooks/endpoints/"
WISH = {"url": "http://a.example/", "trigger_events": ["message.new"]}
EVERY = sorted(KNOWN_TYPES)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("done", [False, True])
async def test_a_status_is_answered_as_often_as_was_asked(
    unipile: StandIn, api: ClientSession, status: int, *, done: bool
) -> None:
    """In the form of an error; what was asked for is done only where the fault says so."""
    unipile.fail_next("POST", "/v2/webhooks/endpoints/*", status, times=2, done=done)

    for _ in range(2):
        async with api.post(ENDPOINTS, json=WISH) as answer:
            said = await answer.json()
            assert (answer.status, said["status"]) == (status, status)
            assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
    assert len(unipile.endpoints) == (2 if done else 0)
    async with api.post(ENDPOINTS, json=WISH) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("done", [False, True])
async def test_a_connection_ends_without_an_answer(
    unipile: StandIn, api: ClientSession, *, done: bool
) -> None:
    """An endpoint may be there all the same."""
    unipile.fail_next("*", "*", "cut", done=done)

    with pytest.raises(ClientError):
        await api.post(ENDPOINTS, json=WISH)

    assert len(unipile.endpoints) == int(done)


@pytest.mark.parametrize("done", [False, True])
async def test_there_is_no_answer(unipile: StandIn, api: ClientSession, *, done: bool) -> None:
    """Until the stand-in ends, where the client is so patient; also after it has come back."""
    await unipile.stop()
    await unipile.start()
    unipile.fail_next("*", "*", "time-out", done=done)

    asking = asyncio.ensure_future(api.post(ENDPOINTS, json=WISH))
    await _taken(unipile, 0)
    await asyncio.wait({asking}, timeout=0.1)

    assert not asking.done()
    assert len(unipile.endpoints) == int(done)
    await unipile.stop()
    with pytest.raises(ClientError):
        await asking


async def _taken(unipile: StandIn, waiting: int) -> None:
    """Wait until no more faults than that wait."""
    await wait_until(lambda: unipile.faults_waiting <= waiting, description="the fault is taken")


async def test_half_of_an_answer_comes(unipile: StandIn, api: ClientSession) -> None:
    """Its head says how long it should be."""
    unipile.fail_next("GET", "*", "half-page")

    async with api.get(ENDPOINTS) as answer:
        assert answer.status == 200
        with pytest.raises(ClientPayloadError):
            await answer.read()


async def test_an_answer_is_no_json(unipile: StandIn, api: ClientSession) -> None:
    """Though it says that it is whole."""
    unipile.fail_next("GET", "*", "broken-json")

    async with api.get(ENDPOINTS) as answer:
        with pytest.raises(json.JSONDecodeError):
            await answer.json()


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("wrong-shape", [{"object": "WebhookEndpoints", "data": [], "has_more": False}]),
        ("no-data", {"object": "WebhookEndpoints", "has_more": False}),
    ],
)
async def test_an_answer_has_another_shape(
    unipile: StandIn, api: ClientSession, kind: str, shape: object
) -> None:
    """A list for an object, or no rows."""
    unipile.fail_next("GET", "*", kind)

    async with api.get(ENDPOINTS) as answer:
        assert await answer.json() == shape


async def test_a_created_endpoint_may_be_answered_badly(
    unipile: StandIn, api: ClientSession
) -> None:
    """It is there then."""
    for number, kind in enumerate(["broken-json", "half-page", "wrong-shape", "no-data"], start=1):
        unipile.fail_next("POST", "*", kind)
        async with api.post(ENDPOINTS, json=WISH) as answer:
            assert answer.status == 200
        assert len(unipile.endpoints) == number


async def test_an_answer_is_slow(unipile: StandIn, api: ClientSession) -> None:
    """As slow as the fault says; others are answered meanwhile."""
    unipile.fail_next("GET", "*", Fault("slow", seconds=60.0))
    unipile.fail_next("GET", "*", Fault("slow", seconds=0.01))

    asking = asyncio.ensure_future(api.get(ENDPOINTS))
    await _taken(unipile, 1)
    async with api.get(ENDPOINTS) as answer:
        assert (await answer.json())["data"] == []

    assert not asking.done()
    asking.cancel()
    await asyncio.wait({asking})


async def test_a_refusal_is_not_spoilt(unipile: StandIn, api: ClientSession) -> None:
    """What was never done is answered so."""
    unipile.fail_next("POST", "*", "broken-json")

    async with api.post(ENDPOINTS, json={}) as answer:
        assert (await answer.json())["status"] == 400


async def test_a_fault_waits_for_what_it_is_for(unipile: StandIn, api: ClientSession) -> None:
    """By method and path, in the order in which they were asked for."""
    unipile.fail_next("DELETE", "/v2/webhooks/endpoints/*", 403)
    unipile.fail_next("GET", "/v2/webhooks/conv*", 500)
    unipile.fail_next("GET", "*", Fault("status", status=503, retry_after="7"))

    async with api.post(ENDPOINTS, json=WISH) as answer:
        assert answer.status == 200
    async with api.get(ENDPOINTS) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    async with api.get("/v2/webhooks/conversations/") as answer:
        assert answer.status == 500
    assert unipile.faults_waiting == 1
    unipile.clear_faults()
    async with api.delete(f"{ENDPOINTS}we_1") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "fault", "times"),
    [
        ("GET", "lost", 1),
        ("DELIVERY", 500, 1),
        ("GET", "nonsense", 1),
        ("GET", 200, 1),
        ("GET", 500, 0),
        ("GET", Fault("status", retry_after="1\r\nx: y"), 1),
    ],
)
def test_faults_that_there_are_not_are_refused(
    unipile: StandIn, method: str, fault: Any, times: int
) -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match=r"fault|header"):
        unipile.fail_next(method, "*", fault, times)


async def test_a_delivery_comes_twice(unipile: StandIn, receiver: Receiver) -> None:
    """Under one id, though it was answered 200."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    unipile.fail_next("DELIVERY", "message.*", "duplicate")

    once = await unipile.emit("chat.update", account="acc_1")
    twice = await unipile.emit("message.new", account="acc_1")
    await unipile.settled()

    assert sorted(receiver.ids) == sorted([once, twice, twice])
    assert receiver.are_genuine(endpoint.secret) == [True] * 3


async def test_a_delivery_comes_after_a_later_one(unipile: StandIn, receiver: Receiver) -> None:
    """Or by itself where there is none."""
    unipile.add_endpoint(receiver.url, EVERY)
    unipile.fail_next("DELIVERY", "*", Fault("late", seconds=60.0))
    unipile.fail_next("DELIVERY", "account.*", Fault("late", seconds=0.01))

    first = await unipile.emit("message.new", account="acc_1")
    second = await unipile.emit("message.new", account="acc_1")
    await unipile.settled()
    alone = await unipile.emit("account.add", account="acc_1")
    await unipile.settled()

    assert receiver.ids == [second, first, alone]


async def test_a_lost_delivery_is_only_in_the_log(unipile: StandIn, receiver: Receiver) -> None:
    """As failed, with every retry, and was never sent."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    unipile.fail_next("DELIVERY", "*", "lost")

    lost = await unipile.emit("message.new", account="acc_1")
    await unipile.settled()
    sent = await unipile.emit("message.new", account="acc_1")
    await unipile.settled()

    assert receiver.ids == [sent]
    rows = [row for row in unipile.conversations(endpoint.id) if row.event_id == lost]
    assert [(row.http_status, row.first_attempt) for row in rows] == [
        (None, False),
        (None, False),
        (None, True),
    ]


async def test_a_body_is_changed_after_it_was_signed(unipile: StandIn, receiver: Receiver) -> None:
    """It is JSON still; the retry is as it should be."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    unipile.fail_next("DELIVERY", "*", "changed")
    receiver.answers = [401, 200]

    event_id = await unipile.emit("message.new", account="acc_1")
    await unipile.settled()

    assert receiver.ids == [event_id] * 2
    assert receiver.are_genuine(endpoint.secret) == [False, True]
