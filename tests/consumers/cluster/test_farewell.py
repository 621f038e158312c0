"""The end of a worker while a server of the cluster is away."""

import asyncio

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, Worker
from consumers.worker import OrderBy
from relay.contract.connect import text_of
from tests.clusters import SixNodes
from tests.consumers.cluster.town import owner_of, tags_of
from tests.consumers.making import GROUP, KEYS, append_events, make_stream
from tests.consumers.working import running
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.alone]


async def consumers_of(store: Redis, tag: str) -> list[str]:
    """Name those under whom entries of a tag are pending, and those who read it."""
    found = await store.xinfo_consumers(make_stream(tag=tag).key, GROUP)
    return [text_of(one["name"]) for one in found]


@pytest.mark.parametrize("order_by", [None, lambda event: event.id], ids=["shared", "ordered"])
async def test_the_servers_that_are_there_hear_of_the_end(
    six: SixNodes, six_store: Redis, order_by: OrderBy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits there is others' at once; only what lies on the one that is away is not."""
    monkeypatch.setattr("consumers.app.LAST_READ_SECONDS", 0.2)
    tags = tags_of(six)[::2]
    worker = Worker(group=GROUP)
    begun: set[str] = set()

    @worker.on("*:*", order_by=order_by, concurrency=10)
    async def handle(event: Event) -> None:
        begun.add(event.id)
        await asyncio.Event().wait()

    await six_store.sadd(KEYS.tags, *tags)
    for tag in tags:
        await append_events(six_store, [f"evt_{tag}"], tag=tag)
    with capture_logs() as logs:
        async with running(worker, six.url, grace_seconds=0.1) as process:
            await wait_until(lambda: len(begun) == 3, description="each has begun")
            beat = KEYS.alive(GROUP, process.consumer)
            ours = six.owner(six.slot_of(beat))
            away, *others = sorted(tags, key=lambda tag: owner_of(six, tag) is ours)
            victim = owner_of(six, away)
            sleeping = [victim, six.replica_of(victim)]
            for node in sleeping:
                node.fall_asleep()
        left = {tag: await consumers_of(six_store, tag) for tag in others}
        owners = [KEYS.owner(tag, GROUP, "message.new") for tag in others]
        owned = [await six_store.hexists(owner, "consumer") for owner in owners]
        for node in sleeping:
            node.wake_up()

    assert process.consumer not in [name for names in left.values() for name in names]
    assert owned == [0, 0]
    assert "left_without_goodbye" in [line["event"] for line in logs]
