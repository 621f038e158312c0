"""Filters, over HTTP and a real store: what is answered, stored and counted."""

import hashlib
import hmac
from typing import Any

import pytest

from tests.integration.gateways import Running, running
from tests.making import gzipped
from tests.servers import Server
from tests.signing import SECRET

pytestmark = pytest.mark.redis

RULES: list[dict[str, Any]] = [
    {"pointer": "/payload/is_sender", "equals": True, "then": "divert", "to": "message.own"},
    {"types": ["unipile:message.read"]},
    {"accounts": ["acc_9"]},
]
MANY: dict[str, Any] = {
    "provider": "hmac",
    "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}],
    "signature": {"header": "x-signature"},
    "event": {"id": "{body.id}", "type": "{body.type}", "split": "[]"},
    "filters": [
        {"pointer": "/bot", "equals": True},
        {"pointer": "/own", "exists": True, "then": "divert", "to": "own"},
    ],
}


def body_of(event_id: str, event_type: str = "message.new", **besides: str) -> bytes:
    """Write an event; what stands besides is JSON."""
    more = "".join(f',"{key}":{value}' for key, value in besides.items())
    return f'{{"id":"{event_id}","type":"{event_type}"{more}}}'.encode()


async def told(gateway: Running, body: bytes, **headers: str) -> Any:
    """Send a delivery, and give what its sender is told."""
    response = await gateway.send(body, headers)

    assert response.status == 200
    assert response.headers["relay-event-id"]
    return await response.json()


async def test_filters_drop_and_divert_what_they_mean(server: Server) -> None:
    """A type, an account, and the sender's own messages; all else is stored as ever."""
    own = body_of("own", payload='{"is_sender":true}')
    packed = gzipped(body_of("packed", payload='{"is_sender":true}'))
    async with running(server, endpoint={"filters": RULES}) as gateway:
        dropped = [
            await told(gateway, body_of("noise", "message.read")),
            await told(gateway, body_of("other", account_id='"acc_9"')),
        ]
        stored = [
            await told(gateway, own),
            await told(gateway, packed),
            await told(gateway, body_of("theirs", payload='{"is_sender":false}')),
            await told(gateway, body_of("unknown", "never.seen", account_id='"acc_7"')),
        ]
        again = await told(gateway, own)
        streams = await gateway.streams()
        diverted = list((await gateway.events("message.own")).values())
        counted = gateway.gateway.metrics.text().decode()

    assert dropped == [{"received": True, "filtered": True}] * 2
    assert stored == [{"received": True}] * 4
    assert again == {"received": True, "duplicate": True}
    assert {name for name in streams if not name.startswith("@")} >= {"message.own", "never.seen"}
    assert "message.read" not in streams
    assert [(event.id, event.original_type, event.data) for event in diverted] == [
        ("own", "message.new", own),
        ("packed", "message.new", packed),
    ]
    for row in (
        'relay_filtered_events_total{endpoint="unipile",rule="1"} 1.0',
        'relay_filtered_events_total{endpoint="unipile",rule="2"} 1.0',
        'relay_diverted_events_total{endpoint="unipile",rule="0"} 3.0',
        'relay_deliveries_total{endpoint="unipile",outcome="filtered"} 2.0',
    ):
        assert row in counted


async def test_a_body_of_several_events_is_filtered_event_by_event(server: Server) -> None:
    """What is left of it is stored, and the answer is that of this."""
    kept, own = body_of("kept"), body_of("own", own="1")
    body = b"[%b,%b,%b]" % (body_of("bot", bot="true"), kept, own)

    async def send(gateway: Running, body: bytes) -> Any:
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-signature": signature}
        response = await gateway.client.post("/webhooks/many", data=body, headers=headers)
        return response.status, await response.json(), response.headers["relay-event-id"]

    async with running(server, {"endpoints": {"many": MANY}}) as gateway:
        some = await send(gateway, body)
        none = await send(gateway, b"[%b]" % body_of("bot", bot="true"))
        (plain,) = (await gateway.events(tag="many")).values()
        (diverted,) = (await gateway.events("own", tag="many")).values()

    assert some == (200, {"received": True}, "kept")
    assert none == (200, {"received": True, "filtered": True}, "bot")
    assert (plain.data, diverted.data) == (kept, own)
    assert diverted.original_type == "message.new"
