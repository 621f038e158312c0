"""What a gateway's start and its new streams write, and where events are put."""

import asyncio
import json
from typing import Any

import pytest

from tests.integration.gateways import BODY, Running, body_of, running
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


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
