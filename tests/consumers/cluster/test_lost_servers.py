"""What a worker does when a server of a cluster is another than before: it may know less."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers import Event, Worker
from relay.contract.connect import send_command
from tests.consumers.making import (
    GROUP,
    KEYS,
    append_events,
    fields_for,
    make_stream,
    pending,
)
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.alone,
    pytest.mark.redis,
    pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True),
]

STREAM = make_stream()


def key_of(event: Event) -> str:
    """Give every event the same key."""
    return event.type


async def forget_acknowledgements(store: Redis, entry_ids: list[str], consumer: str) -> None:
    """Have entries be pending again, as to a replica that has not heard of their end."""
    for entry_id in entry_ids:
        command = ("XCLAIM", STREAM.key, GROUP, consumer, 0, entry_id, "FORCE")
        await send_command(store, *command)


@pytest.mark.parametrize("order_by", [None, key_of], ids=["shared", "ordered"])
async def test_what_was_acknowledged_and_is_pending_again_is_handled_again(
    server: Server, store: Redis, order_by: Callable[[Event], str] | None
) -> None:
    """Else it would stay pending under a worker that lives, and nobody would ever come to it."""
    handled = Handled(Worker(group=GROUP))

    @handled.worker.on("unipile:*", order_by=order_by)
    async def handle(event: Event) -> None:
        handled.events.append(event)

    entry_ids = await append_events(store, ["evt_1", "evt_2"])
    async with running(handled.worker, server.url) as process:
        await handled.until("evt_1", "evt_2")
        await settled(store)
        await forget_acknowledgements(store, entry_ids, process.consumer)
        with server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        await handled.until_runs(4)
        await settled(store)

    assert await pending(store) == {}
    assert sorted(handled.ids) == ["evt_1", "evt_1", "evt_2", "evt_2"]


async def test_what_another_process_holds_is_left_to_it_when_a_wait_was_lost(
    server: Server, store: Redis
) -> None:
    """It lives, and may be busy with it: only what is pending under this one is in doubt."""
    handled = Handled(Worker(group=GROUP))

    @handled.worker.on("unipile:*", order_by=key_of)
    async def handle(event: Event) -> None:
        handled.events.append(event)

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
        await settled(store)
        await store.set(KEYS.alive(GROUP, "old"), "1", px=60_000)
        fields: Any = fields_for("evt_2")
        async with store.pipeline(transaction=True) as at_once:
            at_once.xadd(STREAM.key, fields)
            at_once.xreadgroup(GROUP, "old", {STREAM.key: ">"})
            await at_once.execute()
        with server.client() as client:
            await wait_until(lambda: bool(waits(client)), description="it waits for news")
            client.client_kill_filter(_id=waits(client)[0])
        await append_events(store, ["evt_3"])
        await handled.until("evt_1", "evt_3")
        await settled_but(store, "old")

    assert handled.ids == ["evt_1", "evt_3"]


def waits(client: Any) -> list[str]:
    """Give the connections over which streams in order are waited for."""
    listed: list[dict[str, str]] = client.client_list()
    return [one["id"] for one in listed if ":order:" in one["name"] and "b" in one["flags"]]


async def settled_but(store: Redis, consumer: str) -> None:
    """Wait until nothing is pending but under one consumer."""

    async def is_settled() -> bool:
        return set((await pending(store)).values()) == {consumer}

    await wait_until(is_settled, description="the others have settled theirs")
