"""The routes by which programs steer a stand-in, and who may not."""

from typing import Any

import pytest
from aiohttp import ClientSession

from relay.unipile.stand_in import StandIn
from tests.relay.unipile.stand_in.receiving import Receiver


async def posted(unipile: StandIn, path: str, body: object) -> tuple[int, Any]:
    """Give status and JSON of an answer; no key is needed."""
    async with (
        ClientSession(unipile.url) as client,
        client.post(f"/stand-in/{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def state(unipile: StandIn) -> Any:
    """Ask for all of it."""
    async with ClientSession(unipile.url) as client, client.get("/stand-in/state") as answer:
        return await answer.json()


async def test_a_program_does_what_a_test_can(unipile: StandIn, receiver: Receiver) -> None:
    """Accounts, events, faults and planted attempts."""
    endpoint = unipile.add_endpoint(receiver.url, ["message.new"])

    linked = {"id": "acc_9", "provider": "google", "name": "owner@example.com"}
    assert await posted(unipile, "accounts", linked) == (200, {"id": "acc_9", "event_id": None})
    fault = {"method": "DELIVERY", "path": "*", "fault": "duplicate", "times": 2}
    assert await posted(unipile, "faults", fault) == (200, {"waiting": 2})
    event = {
        "type": "message.new",
        "account": "acc_9",
        "payload": {"text": "x"},
        "more": {"webhook_id": "w"},
        "event_id": "evt_mine",
    }
    assert await posted(unipile, "events", event) == (200, {"id": "evt_mine"})
    await unipile.settled()
    planted = {"endpoint_id": endpoint.id, "conversations": [{"http_status": 500}] * 3}
    assert await posted(unipile, "conversations", planted) == (200, {"planted": 3})

    assert receiver.ids == ["evt_mine"] * 2
    assert receiver.events[0]["account_name"] == "owner@example.com"
    assert (receiver.events[0]["payload"], receiver.events[0]["webhook_id"]) == ({"text": "x"}, "w")
    said = await state(unipile)
    assert said["accounts"][-1] == linked | {"status": "running"}
    assert said["endpoints"][0]["conversations"] == 5
    assert said["events"] == [{"id": "evt_mine", "type": "message.new", "account": "acc_9"}]
    assert said["faults"] == [{"method": "DELIVERY", "path": "*", "fault": "duplicate", "times": 1}]
    assert said["waiting"] == 0
    assert endpoint.secret not in str(said)


async def test_a_program_changes_and_removes_accounts(unipile: StandIn) -> None:
    """A status has its event, and what is removed is gone."""
    status, said = await posted(
        unipile, "accounts", {"id": "acc_1", "status": "errored", "reason": "proxy"}
    )
    async with ClientSession(unipile.url) as client:
        async with client.delete("/stand-in/accounts/acc_2") as answer:
            assert answer.status == 200
        async with client.delete("/stand-in/accounts/acc_2") as answer:
            assert answer.status == 400

    assert (status, said["event_id"]) == (200, unipile.events[-1].id)
    assert unipile.events[-1].type == "account.status.errored"
    assert [account["id"] for account in (await state(unipile))["accounts"]] == ["acc_1"]


async def test_a_program_steers_faults_of_the_api(unipile: StandIn, api: ClientSession) -> None:
    """With their details, and takes them back."""
    fault = {"method": "get", "path": "*", "fault": 429, "retry_after": "3", "times": 2}
    await posted(unipile, "faults", fault)
    async with api.get("/v2/webhooks/endpoints/") as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "3")

    async with api.delete("/stand-in/faults") as answer:
        assert await answer.json() == {"waiting": 0}

    async with api.get("/v2/webhooks/endpoints/") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("events", {"type": "message.new"}, "account"),
        ("events", {"type": "message.new", "account": "acc_1", "acount": "x"}, "acount"),
        ("events", [], "object"),
        ("accounts", {"id": "x"}, "acc_"),
        ("accounts", {"id": "acc_5", "provider": "fax"}, "whatsapp"),
        ("accounts", {"id": "acc_5", "status": "running"}, "acc_5"),
        ("accounts", {"id": "acc_1", "status": "happy"}, "running"),
        ("faults", {"method": "GET", "path": "*", "fault": "nonsense"}, "time-out"),
        ("conversations", {"endpoint_id": "we_1", "conversations": []}, "we_1"),
    ],
)
async def test_what_cannot_be_is_said(unipile: StandIn, path: str, body: object, word: str) -> None:
    """400, and what is wrong is named."""
    status, said = await posted(unipile, path, body)

    assert status == 400
    assert word in said["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:8090"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "[::1"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "events"), ("GET", "state")])
async def test_a_browsers_page_gets_nothing(
    unipile: StandIn, headers: dict[str, str], method: str, path: str
) -> None:
    """Nor under a name of its own that leads here."""
    event = {"type": "message.new", "account": "acc_1"}
    async with (
        ClientSession(unipile.url) as client,
        client.request(method, f"/stand-in/{path}", json=event, headers=headers) as answer,
    ):
        assert answer.status in {400, 403}
        assert "acc_" not in await answer.text()

    assert unipile.events == []


async def test_this_machine_may_be_called_by_its_name(unipile: StandIn) -> None:
    """With a port or without."""
    for host in ("localhost", "localhost:8090", "127.0.0.1"):
        async with (
            ClientSession(unipile.url) as client,
            client.get("/stand-in/state", headers={"Host": host}) as answer,
        ):
            assert answer.status == 200
