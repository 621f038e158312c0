"""A gateway over a cluster: each server's trouble is that of its own endpoints."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from relay.contract.cluster import look, nodes
from tests.clusters import Node, SixNodes
from tests.integration.gateways import Running, body_of, running
from tests.relay.cluster.load import Load, slot_of, stored, tags_of
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.alone]


@asynccontextmanager
async def serving(six: SixNodes, tags: list[str], **more: Any) -> AsyncIterator[Running]:
    """Run a gateway with an endpoint for each tag."""
    section = {"provider": "unipile", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]}
    toml = {"endpoints": dict.fromkeys(tags, section), "append_deadline_seconds": 1.0}
    toml |= more
    async with running(cast("Server", six), toml) as gateway:
        yield gateway


async def send(gateway: Running, tag: str, event_id: str) -> tuple[int, Any]:
    """Send an event to an endpoint; give status and body."""
    answer = await gateway.send(body_of(event_id), path=f"/webhooks/{tag}")
    return answer.status, await answer.json(content_type=None)


def with_a_victim(six: SixNodes) -> tuple[list[str], Node, list[str]]:
    """Give tags on every server, one server to be struck, and the tags that it holds."""
    tags = tags_of(six)
    victim = six.owner(slot_of(tags[0]))
    return tags, victim, [tag for tag in tags if six.owner(slot_of(tag)) is victim]


async def send_through_its_end(load: Load, victim: Node, theirs: list[str]) -> None:
    """Send, kill a server, and go on until its replica takes the events of its tags."""
    async with load.running():
        await load.until_more(5)
        victim.kill()
        await load.until_more(5, *theirs)


async def test_a_dead_primary_is_no_trouble_of_other_endpoints(six: SixNodes) -> None:
    """They are answered 200 all along; its own get 503, and 200 when its replica is there."""
    tags, victim, theirs = with_a_victim(six)
    ready: set[int] = set()
    async with serving(six, tags) as gateway:

        async def take(tag: str, event_id: str) -> str:
            status, body = await send(gateway, tag, event_id)
            assert status in {200, 503}
            ready.add((await gateway.ask("/readyz"))[0])
            return "" if status == 200 else str(body)

        load = Load(take, tags)
        await send_through_its_end(load, victim, theirs)

    assert ready == {200}
    assert load.refusals(set(tags) - set(theirs)) == []
    for tag in tags:
        ids = await stored(six, tag)
        assert len(set(ids)) == len(ids)


async def test_with_a_spool_a_dead_primary_costs_no_sender_a_retry(
    six: SixNodes, tmp_path: Path
) -> None:
    """Every delivery is answered 200; what went to the disk is in its stream once afterwards.

    That is what the dead one would have had: nothing else goes to the disk, not for a moment.
    """
    tags, victim, theirs = with_a_victim(six)
    spooled: dict[str, set[str]] = {tag: set() for tag in tags}
    opened: set[str] = set()
    # A server that is there, on a machine with much to do, must not count as one that is not.
    more = {"spool": {"directory": str(tmp_path / "spool")}, "append_deadline_seconds": 10.0}
    async with serving(six, tags, **more) as gateway:
        spooling = gateway.gateway._spooling
        assert spooling is not None

        async def take(tag: str, event_id: str) -> str:
            status, body = await send(gateway, tag, event_id)
            if body.get("spooled"):
                spooled[tag].add(event_id)
            if spooling._breakers.is_open(tag):
                opened.add(tag)
            return "" if status == 200 else str(body)

        load = Load(take, tags)
        await send_through_its_end(load, victim, theirs)
        await wait_until(
            lambda: b"\nrelay_spool_events 0" in gateway.gateway.metrics.text(),
            description="the spool is empty",
        )
        await wait_until(
            lambda: not spooling._breakers.any_open, description="nothing is waited for"
        )

    assert load.refusals(tags) == []
    for tag in tags:
        ids = await stored(six, tag)
        assert len(set(ids)) == len(ids)
        assert spooled[tag] <= set(ids)
    assert {tag for tag in tags if spooled[tag]} == opened == set(theirs)


async def test_a_full_primary_stops_its_own_endpoints_only(six: SixNodes) -> None:
    """The others have room; the gateway stays ready."""
    tags, victim, theirs = with_a_victim(six)
    async with serving(six, tags) as gateway:
        for tag in tags:
            assert (await send(gateway, tag, "evt_1"))[0] == 200
        await look(gateway.store)
        victim.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            await wait_until(
                lambda: any(map(gateway.gateway.capacity.is_full_at, nodes(gateway.store))),
                description="it is known to be full",
            )
            answers = {tag: await send(gateway, tag, "evt_2") for tag in tags}
            ready = await gateway.ask("/readyz")
        finally:
            victim.ask("CONFIG", "SET", "maxmemory", 0)

    assert {tag for tag, (status, _) in answers.items() if status == 503} == set(theirs)
    assert {answers[tag][1]["reason"] for tag in theirs} == {"store_full"}
    assert ready[0] == 200


async def test_events_that_come_before_the_cluster_is_known_wait_for_it(six: SixNodes) -> None:
    """The first of a gateway's life are not refused."""
    tags = tags_of(six)
    async with serving(six, tags) as gateway:
        answers = await asyncio.gather(*[send(gateway, tag, "evt_1") for tag in tags])

    assert [status for status, _ in answers] == [200] * len(tags)


async def test_a_url_of_a_single_server_is_named_where_it_leads_to_a_cluster(
    six: SixNodes,
) -> None:
    """Most keys would be refused; the log says what to write."""
    url = six.nodes[0].own_url
    with capture_logs() as captured:
        async with running(cast("Server", six), {"redis": {"url": url}}):
            await wait_until(
                lambda: any(line["event"] == "store_is_a_cluster" for line in captured),
                description="it is said",
            )

    (line,) = (line for line in captured if line["event"] == "store_is_a_cluster")
    assert "redis+cluster://" in line["advice"]


@pytest.mark.one_server("the URL leads to a single server")
async def test_a_url_of_a_cluster_is_named_where_it_leads_to_a_single_server(
    server: Server,
) -> None:
    """Nothing would work; the log says what to write."""
    url = f"redis+cluster://127.0.0.1:{server.port}"
    with capture_logs() as captured:
        async with running(server, {"redis": {"url": url}}):
            await wait_until(
                lambda: any(line["event"] == "store_is_no_cluster" for line in captured),
                description="it is said",
            )

    (line,) = (line for line in captured if line["event"] == "store_is_no_cluster")
    assert "redis://" in line["advice"]


async def test_ready_means_that_some_server_takes_writes(six: SixNodes) -> None:
    """One that answers and lets nothing be written would refuse every delivery."""
    tags = tags_of(six)

    def want_replicas(count: int) -> None:
        for node in six.primaries:
            node.ask("CONFIG", "SET", "min-replicas-to-write", count)

    want_replicas(5)
    try:
        async with serving(six, tags) as gateway:
            refused, _ = await send(gateway, tags[0], "evt_1")
            ready, _ = await gateway.ask("/readyz")
    finally:
        want_replicas(0)

    assert (refused, ready) == (503, 503)
