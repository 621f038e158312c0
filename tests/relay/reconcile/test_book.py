"""What a comparison came to, kept in the store and shown by the gateway."""

from typing import Any

import pytest
from redis.asyncio import Redis

from relay.metrics import Metrics
from relay.reconcile.book import KEEP_MS, ReconciledWatch, Result, read_result, write_result
from tests.integration.gateways import running
from tests.relay.appending import KEYS
from tests.servers import Server
from tests.waiting import wait_until

RESULT = Result(at=1_796_000_000_500, lost=2, refused=1, pending=4, since=1_795_000_000_000)


def shown(metrics: Metrics) -> list[str]:
    """Give the lines that say what a comparison came to."""
    lines = metrics.text().decode().splitlines()
    return [line for line in lines if line.startswith("relay_reconciled")]


async def test_a_result_is_read_as_it_was_written(client: Redis) -> None:
    """The last one, for 31 days after it."""
    await write_result(client, KEYS, "unipile", Result(1, 2, 3, 4, 5))
    await write_result(client, KEYS, "unipile", RESULT)

    assert await read_result(client, KEYS, "unipile") == RESULT
    assert await read_result(client, KEYS, "other") is None
    assert KEEP_MS - 60_000 < await client.pttl(KEYS.reconciled("unipile")) <= KEEP_MS


@pytest.mark.parametrize(
    "fields", [{"lost": "many"}, {"at": "-1"}, {"since": "9" * 30}, {"refused": "²"}]
)
async def test_what_is_not_of_our_form_is_no_result(client: Redis, fields: dict[Any, Any]) -> None:
    """Whoever wrote it."""
    await write_result(client, KEYS, "unipile", RESULT)
    await client.hset(KEYS.reconciled("unipile"), mapping=fields)

    assert await read_result(client, KEYS, "unipile") is None


async def test_the_last_results_are_shown_while_they_are_there(client: Redis) -> None:
    """Of each endpoint that has one; one of another type hides no other."""
    metrics = Metrics()
    watch = ReconciledWatch(client, KEYS, ["gone", "unipile", "wrong"], metrics)
    for name in ("gone", "unipile", "not-ours"):
        await write_result(client, KEYS, name, RESULT)
    await client.set(KEYS.reconciled("wrong"), "no hash", ex=60)
    await watch.look()
    before = shown(metrics)
    await client.delete(KEYS.reconciled("gone"))
    await watch.look()

    assert len(before) == 6
    assert shown(metrics) == [
        'relay_reconciled_lost_events{endpoint="unipile"} 2.0',
        'relay_reconciled_refused_events{endpoint="unipile"} 1.0',
        'relay_reconciled_timestamp_seconds{endpoint="unipile"} 1.7960000005e+09',
    ]


@pytest.mark.redis
async def test_a_gateway_shows_what_the_last_comparison_came_to(
    server: Server, store: Redis
) -> None:
    """From its start on."""
    await write_result(store, KEYS, "unipile", RESULT)
    async with running(server) as gateway:
        await wait_until(lambda: len(shown(gateway.gateway.metrics)) == 3, description="shown")
