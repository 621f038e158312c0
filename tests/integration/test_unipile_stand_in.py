"""What the stand-in Unipile sends goes untouched through the real gateway, and to handlers."""

import json
from pathlib import Path

import pytest
from aiohttp import ClientSession

from consumers import Event
from consumers.unipile import read
from relay.contract.examples import example_types
from relay.unipile.stand_in import KNOWN_TYPES, StandIn
from tests.integration.gateways import PATH, running
from tests.servers import Server

pytestmark = pytest.mark.redis


async def test_every_type_goes_into_its_stream(server: Server, tmp_path: Path) -> None:
    """Whole and once, whatever is sent twice or comes late; what was changed is refused."""
    secret = tmp_path / "secret"
    async with StandIn(retry_seconds=[0.0]) as unipile:
        unipile.add_account("acc_1", provider="whatsapp", name="+49 30 5550 0100")
        # Its secret is there before the gateway, and the gateway's port before its URL.
        endpoint = unipile.add_endpoint("http://127.0.0.1:1/", sorted(KNOWN_TYPES))
        secret.write_text(endpoint.secret)
        async with running(server, endpoint={"secrets": [{"file": str(secret)}]}) as gateway:
            url = f"http://127.0.0.1:{gateway.port}{PATH}"
            headers, path = {"X-API-KEY": unipile.api_key}, f"/v2/webhooks/endpoints/{endpoint.id}"
            async with ClientSession(unipile.url, headers=headers) as api:
                assert (await api.patch(path, json={"url": url})).status == 200
            types = [*example_types("unipile"), "post.liked.twice", "account.status.unheard_of"]
            unipile.fail_next("DELIVERY", "email.*", "duplicate", times=3)
            unipile.fail_next("DELIVERY", "message.new", "changed")
            for each in types:
                await unipile.emit(each, account="acc_1", more={"of_tomorrow": {"x": 1}})
            await unipile.settled()

            for sent in unipile.events:
                (stored,) = (await gateway.events(sent.type)).values()
                assert (stored.id, stored.account) == (sent.id, "acc_1")
                assert stored.data == sent.body
                assert stored.assurance == "body"
                # Its handler gets all of it too, whatever is known of the type.
                taken = read(Event(stored, entry_id="1-1", attempt=1))
                assert taken.to_json() == json.loads(sent.body)
                assert taken.extra["of_tomorrow"] == {"x": 1}
            assert len(unipile.events) == 44
            rows = unipile.conversations(endpoint.id)
            refused = [row for row in rows if row.http_status != 200]
            assert [(row.event_type, row.http_status) for row in refused] == [("message.new", 401)]
            assert len(rows) == 44 + 3 + 1
