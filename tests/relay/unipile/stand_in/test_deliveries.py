"""Deliveries: to whom, with which body and signature, how often, and what the log says."""

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import ClientSession

from relay.unipile.stand_in import KNOWN_TYPES, WITHDRAWN_TYPES, Rules, StandIn
from tests.relay.unipile.stand_in.receiving import Receiver
from tests.waiting import wait_until

EVERY = sorted(KNOWN_TYPES)


async def test_an_event_is_delivered_signed(unipile: StandIn, receiver: Receiver) -> None:
    """With the account's own fields in the example of its type, and the endpoint's secret."""
    endpoint = unipile.add_endpoint(receiver.url, ["message.new"])

    event_id = await unipile.emit("message.new", account="acc_1")
    await unipile.settled()

    (event,) = receiver.events
    assert event["id"] == event_id
    assert event_id.startswith("evt_")
    assert event["type"] == "message.new"
    assert event["account_id"] == "acc_1"
    assert (event["account_provider"], event["account_name"]) == ("linkedin", "Grace Example")
    assert event["payload"]["object"] == "Message"
    assert receiver.are_genuine(endpoint.secret) == [True]
    assert receiver.came[0][0]["content-type"] == "application/json"
    assert receiver.came[0][1] == unipile.events[0].body


async def test_every_type_is_delivered(unipile: StandIn, receiver: Receiver) -> None:
    """Forty known ones, two that are withdrawn and one that nobody has heard of."""
    unipile.add_endpoint(receiver.url, EVERY)
    types = [*EVERY, *WITHDRAWN_TYPES, "post.liked.twice"]

    for each in types:
        await unipile.emit(each, account="acc_1")
    await unipile.settled()

    assert sorted(event["type"] for event in receiver.events) == sorted(types)
    assert {event["account_id"] for event in receiver.events} == {"acc_1"}
    (added,) = [event for event in receiver.events if event["type"] == "account.add"]
    assert added["payload"]["account"]["id"] == "acc_1"
    assert added["payload"]["account"]["name"] == "Grace Example"


async def test_a_test_can_say_what_is_in_it(unipile: StandIn, receiver: Receiver) -> None:
    """Another payload, further fields, fields that are there, an id of its own."""
    unipile.add_endpoint(receiver.url, ["message.new"])

    given = await unipile.emit(
        "message.new",
        account="acc_1",
        payload={"text": "hé\ud800"},
        more={"webhook_id": "w", "created_at": "2026-10-12T09:14:07.512Z"},
        event_id="evt_mine",
    )
    await unipile.settled()

    (event,) = receiver.events
    assert given == event["id"] == "evt_mine"
    assert event["payload"] == {"text": "hé\ud800"}
    assert event["webhook_id"] == "w"
    assert event["created_at"] == "2026-10-12T09:14:07.512Z"


async def test_an_endpoint_takes_its_types_and_accounts(
    unipile: StandIn, receiver: Receiver
) -> None:
    """One without a list takes every account, also those that come later."""

    def at(path: str) -> str:
        return f"{receiver.url}/{path}"

    unipile.add_endpoint(at("one"), ["message.new"], ["acc_1"])
    unipile.add_endpoint(at("all"), ["message.new", "chat.update"])
    unipile.add_account("acc_3")
    for account in ("acc_1", "acc_2", "acc_3"):
        await unipile.emit("message.new", account=account)
    await unipile.emit("chat.update", account="acc_1")
    await unipile.emit("chat.delete", account="acc_1")
    await unipile.settled()

    def went(path: str) -> list[tuple[str, str]]:
        (endpoint,) = [e for e in unipile.endpoints.values() if e.url == at(path)]
        ids = {row.event_id for row in unipile.conversations(endpoint.id)}
        return [(e.type, e.account) for e in unipile.events if e.id in ids]

    assert went("one") == [("message.new", "acc_1")]
    assert went("all") == [
        ("message.new", "acc_1"),
        ("message.new", "acc_2"),
        ("message.new", "acc_3"),
        ("chat.update", "acc_1"),
    ]
    assert len(receiver.came) == 5


async def test_what_fails_is_tried_again_and_logged(unipile: StandIn, receiver: Receiver) -> None:
    """The same bytes under the same id, until any 2xx; newest first in the log."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    receiver.answers = [500, 302, 204]

    event_id = await unipile.emit("chat.update", account="acc_1")
    await unipile.settled()

    rows = unipile.conversations(endpoint.id)
    assert [row.http_status for row in rows] == [204, 302, 500]
    assert [row.first_attempt for row in rows] == [False, False, True]
    assert {(row.event_id, row.event_type) for row in rows} == {(event_id, "chat.update")}
    assert rows[2].response_body == "said 500"
    assert rows[2].endpoint_url == receiver.url
    assert len({body for _, body in receiver.came}) == 1
    assert receiver.are_genuine(endpoint.secret) == [True] * 3


async def test_retries_end(unipile: StandIn, receiver: Receiver) -> None:
    """After as many as there are pauses."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    receiver.answers = [500] * 9

    await unipile.emit("chat.update", account="acc_1")
    await unipile.settled()

    assert [row.http_status for row in unipile.conversations(endpoint.id)] == [500] * 3
    assert len(receiver.came) == 3


async def test_no_answer_in_time_is_a_failed_attempt(receiver: Receiver) -> None:
    """Nor is there one where nobody listens; the log has no status then."""
    async with StandIn(retry_seconds=[0.0], rules=Rules(timeout_seconds=0.1)) as unipile:
        slow = unipile.add_endpoint(receiver.url, EVERY)
        gone = unipile.add_endpoint("http://127.0.0.1:1/", EVERY)
        receiver.answers = [0, 0]
        await unipile.emit("chat.update", account="acc_1")
        await unipile.settled()

        for endpoint in (slow, gone):
            rows = unipile.conversations(endpoint.id)
            assert [(row.http_status, row.response_body) for row in rows] == [(None, None)] * 2


@pytest.mark.parametrize("fresh", [True, False])
async def test_each_attempt_signs_its_own_time_or_not(receiver: Receiver, *, fresh: bool) -> None:
    """Nobody knows; a test may have either."""
    hours = iter(range(1, 1000))
    rules = Rules(fresh_time=fresh, clock=lambda: 3600.0 * next(hours))
    async with StandIn(retry_seconds=[0.0], rules=rules) as unipile:
        endpoint = unipile.add_endpoint(receiver.url, EVERY)
        receiver.answers = [500, 200]
        await unipile.emit("chat.update", account="acc_1")
        await unipile.settled()

    first, second = receiver.times()
    assert (second > first) is fresh
    assert receiver.are_genuine(endpoint.secret) == [True, True]


async def test_the_time_is_now(unipile: StandIn, receiver: Receiver) -> None:
    """As far as nobody moves it."""
    unipile.add_endpoint(receiver.url, EVERY)
    before = int(time.time())

    await unipile.emit("chat.update", account="acc_1")
    await unipile.settled()

    assert before <= receiver.times()[0] <= time.time()


async def test_no_more_are_on_their_way_than_may_be(receiver: Receiver) -> None:
    """The others wait, and all arrive."""
    async with StandIn(rules=Rules(concurrency=3)) as unipile:
        unipile.add_endpoint(receiver.url, EVERY)
        ids = [await unipile.emit("chat.update", account="acc_1") for _ in range(30)]
        await unipile.settled()

    assert sorted(receiver.ids) == sorted(ids)
    assert 1 <= receiver.most_at_once <= 3


@pytest.mark.parametrize("end", ["deleted", "disabled"])
async def test_an_endpoint_that_ends_gets_no_retry(receiver: Receiver, end: str) -> None:
    """The attempt that was under way is the last."""
    async with StandIn(retry_seconds=[0.0] * 50, rules=Rules(timeout_seconds=30)) as unipile:
        endpoint = unipile.add_endpoint(receiver.url, EVERY)
        receiver.answers = [0, *[500] * 50]
        await unipile.emit("chat.update", account="acc_1")
        await wait_until(lambda: len(receiver.came) == 1, description="the first attempt")
        headers, path = {"X-API-KEY": unipile.api_key}, f"/v2/webhooks/endpoints/{endpoint.id}"
        async with ClientSession(unipile.url, headers=headers) as api:
            if end == "deleted":
                await api.delete(path)
            else:
                await api.patch(path, json={"enabled": False})
                await unipile.emit("chat.update", account="acc_1")
        receiver.ended.set()
        await unipile.settled()

        assert len(receiver.came) == 1
        assert len(unipile.conversations(endpoint.id)) == (1 if end == "disabled" else 0)


async def test_a_disabled_endpoint_takes_nothing(
    unipile: StandIn, receiver: Receiver, api: ClientSession
) -> None:
    """Nor does a fault wait for it; enabled again, it takes what comes from then on."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    path = f"/v2/webhooks/endpoints/{endpoint.id}"
    await api.patch(path, json={"enabled": False})
    unipile.fail_next("DELIVERY", "*", "changed")
    unipile.fail_next("DELIVERY", "*", "duplicate")
    await unipile.emit("chat.update", account="acc_1")
    assert unipile.waiting == 0
    await unipile.settled()
    assert unipile.faults_waiting == 2
    unipile.clear_faults()

    await api.patch(path, json={"enabled": True})
    event_id = await unipile.emit("chat.update", account="acc_1")
    await unipile.settled()

    assert receiver.ids == [event_id]


async def test_an_account_that_is_away_has_no_events_but_its_own(
    unipile: StandIn, receiver: Receiver
) -> None:
    """They are lost, as messages are while an account is disconnected."""
    unipile.add_endpoint(receiver.url, EVERY)

    await unipile.change_status("acc_1", "disconnected")
    lost = await unipile.emit("message.new", account="acc_1")
    await unipile.emit("message.new", account="acc_2")
    await unipile.change_status("acc_1", "disconnected", product="recruiter")
    await unipile.change_status("acc_1", "running")
    await unipile.emit("message.new", account="acc_1")
    await unipile.settled()

    came = sorted((event["account_id"], event["type"]) for event in receiver.events)
    assert came == [
        ("acc_1", "account.status.disconnected"),
        ("acc_1", "account.status.disconnected"),
        ("acc_1", "account.status.running"),
        ("acc_1", "message.new"),
        ("acc_2", "message.new"),
    ]
    assert lost not in receiver.ids
    payloads = [event["payload"] for event in receiver.events if "status" in event["type"]]
    assert {"product" in payload for payload in payloads} == {True, False}
    assert all("timestamp" in payload for payload in payloads)


async def test_one_product_that_drops_leaves_the_account(unipile: StandIn) -> None:
    """Its other products go on."""
    await unipile.change_status("acc_1", "disconnected", product="recruiter")
    assert unipile.accounts["acc_1"].status == "running"

    await unipile.change_status("acc_1", "errored", reason="proxy")

    assert unipile.accounts["acc_1"].status == "errored"
    assert json.loads(unipile.events[-1].body)["payload"]["reason"] == "proxy"


async def test_the_log_is_read_in_pages(unipile: StandIn, api: ClientSession) -> None:
    """Ten thousand attempts, newest first, each once; or those of one event."""
    endpoint = unipile.add_endpoint("http://a.example/", EVERY)
    times = [f"2026-10-{1 + n % 28:02d}T{n % 24:02d}:00:00.000Z" for n in range(10_000)]
    planted = unipile.plant(endpoint.id, [{"created_at": at, "http_status": 500} for at in times])
    unipile.plant(endpoint.id, [{"event_id": "evt_mine", "first_attempt": False}] * 2)
    path, query = "/v2/webhooks/conversations/", {"endpoint_id": endpoint.id}

    rows: list[Any] = []
    while True:
        bounds = {"offset": str(len(rows)), "limit": "100"}
        async with api.get(path, params=query | bounds) as answer:
            page = await answer.json()
        rows += page["data"]
        if not page["has_more"]:
            break
    async with api.get(path, params=query | {"event_id": "evt_mine"}) as answer:
        mine = (await answer.json())["data"]

    assert (planted, len(rows), len({row["id"] for row in rows})) == (10_000, 10_002, 10_002)
    assert [row["created_at"] for row in rows] == sorted(
        (row["created_at"] for row in rows), reverse=True
    )
    assert page["object"] == "WebhookConversations"
    assert [row for row in rows if row["event_id"] == "evt_mine"] == mine
    assert len(mine) == 2
    assert rows[-1].keys() == {
        *("object", "id", "endpoint_id", "event_id", "event_type", "first_attempt"),
        *("created_at", "http_status", "endpoint_url", "response_body"),
    }


async def test_the_log_is_of_an_endpoint(unipile: StandIn, api: ClientSession) -> None:
    """Without one it is 400, of one that there is not 404."""
    path = "/v2/webhooks/conversations/"
    async with api.get(path) as missing, api.get(path, params={"endpoint_id": "we_1"}) as unknown:
        assert (missing.status, unknown.status) == (400, 404)


def test_what_cannot_be_planted_is_said(unipile: StandIn) -> None:
    """A field that there is not, a value of another kind, an endpoint that there is not."""
    endpoint = unipile.add_endpoint("http://a.example/", EVERY)
    for rows in ([{}, {"http_state": 5}], [{"http_status": "5"}]):
        with pytest.raises(ValueError, match="http_stat"):
            unipile.plant(endpoint.id, rows)
    with pytest.raises(ValueError, match="we_1"):
        unipile.plant("we_1", [{}])
    assert unipile.conversations(endpoint.id) == []


async def test_what_is_remembered_is_bounded(
    unipile: StandIn, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest attempts go; an answer is kept in part."""
    monkeypatch.setattr("relay.unipile.stand_in.conversations.MOST_CONVERSATIONS", 5)
    monkeypatch.setattr("relay.unipile.stand_in.post.MOST_RESPONSE_CHARACTERS", 4)
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    unipile.plant(endpoint.id, [{"event_id": f"evt_{n}", "created_at": f"{n}"} for n in range(9)])
    assert [row.event_id for row in unipile.conversations(endpoint.id)] == [
        f"evt_{n}" for n in range(8, 3, -1)
    ]

    newest = await unipile.emit("chat.update", account="acc_1")
    await unipile.settled()

    rows = unipile.conversations(endpoint.id)
    assert [row.event_id for row in rows] == [newest, *(f"evt_{n}" for n in range(8, 4, -1))]
    assert rows[0].response_body == "said"


async def test_it_goes_away_and_comes_back(unipile: StandIn, receiver: Receiver) -> None:
    """At the same address, with all that was there; what was under way is given up."""
    endpoint = unipile.add_endpoint(receiver.url, EVERY)
    receiver.answers = [0]
    await unipile.emit("chat.update", account="acc_1")
    await wait_until(lambda: len(receiver.came) == 1, description="the first attempt")
    url = unipile.url

    await unipile.stop()
    await unipile.stop()
    async with ClientSession() as client:
        with pytest.raises(OSError, match="connect"):
            await client.get(url)
    await unipile.start()

    assert (unipile.url, unipile.waiting) == (url, 0)
    await unipile.emit("chat.update", account="acc_1")
    await asyncio.wait_for(unipile.settled(), 30)
    assert [row.http_status for row in unipile.conversations(endpoint.id)] == [200]


async def test_a_stop_leaves_nothing_under_way(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what waits until it may be under way, nor what is emitted afterwards."""
    monkeypatch.setattr("relay.unipile.stand_in.courier.MOST_WAITING", 2)
    receiver.answers = [0] * 10
    unipile = StandIn()
    await unipile.start()
    unipile.add_endpoint(receiver.url, EVERY)
    emitting = [asyncio.create_task(unipile.emit("chat.update", account="acc_1")) for _ in range(6)]
    await wait_until(lambda: len(receiver.came) == 2, description="two are under way")

    await asyncio.wait_for(unipile.stop(), 5)  # an attempt lasts for ten
    await asyncio.gather(*emitting)
    await unipile.emit("chat.update", account="acc_1")

    assert (unipile.waiting, len(receiver.came)) == (0, 2)
