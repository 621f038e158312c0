"""What a worker does when a server of a cluster is another than before: it may know less."""

from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from consumers import Event, Worker
from relay.contract.connect import send_command
from tests.consumers.making import GROUP, append_events, make_stream, pending
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.servers import Server

pytestmark = [
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
