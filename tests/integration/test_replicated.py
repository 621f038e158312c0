"""Events that replicas must confirm: what is answered when they do not, and what outlives whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.integration.gateways import Running, body_of, running, until_status
from tests.replicas import ReplicaSet
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.redis,
    pytest.mark.one_server("REPLICAOF is not allowed in cluster mode"),
]
STREAM = "relay:{unipile}:message.new"


@asynccontextmanager
async def gateway_over(
    replica_set: ReplicaSet, *, replicas: int = 1, **settings: Any
) -> AsyncIterator[Running]:
    """Run a gateway that talks to whoever stands at the primary's address."""
    toml = {
        "redis": {"url": replica_set.front.url},
        "durability": f"replicated:{replicas}",
        "append_deadline_seconds": 0.6,
    }
    async with running(replica_set.primary, toml | settings) as gateway:
        yield gateway


async def status_of(gateway: Running, event_id: str) -> int:
    """Send an event, and give the answer's status."""
    return (await gateway.send(body_of(event_id))).status


async def deliver(gateway: Running, event_id: str) -> None:
    """Send an event again until it is accepted, as a sender would."""

    async def accepted() -> bool:
        return await status_of(gateway, event_id) == 200

    await wait_until(accepted, description=f"{event_id} is accepted")


async def ids_in(server: Server) -> list[str]:
    """Give the ids of what is in a server's stream."""
    entries = await asyncio.to_thread(server.entries, STREAM)
    return [fields[b"id"].decode() for _, fields in entries]


async def test_what_no_replica_has_is_not_confirmed_by_another_gateway_either(
    replica_set: ReplicaSet,
) -> None:
    """A retry finds a duplicate, and still no 200 is given that a failover would make a lie."""
    async with gateway_over(replica_set) as one, gateway_over(replica_set) as other:
        await deliver(one, "evt_0")
        await deliver(other, "evt_0")
        replica_set.cut_off()
        cut_off = [await status_of(one, "evt_1"), await status_of(other, "evt_1")]
        doomed = await ids_in(replica_set.primary)

        promoted = await replica_set.fail_over()
        alone = [await status_of(one, "evt_2"), await status_of(other, "evt_0")]
        survived = await ids_in(promoted)
        late = await replica_set.add_replica(promoted)
        for event_id in ("evt_0", "evt_1", "evt_2"):
            await deliver(one, event_id)
        kept = await ids_in(late)

    assert doomed == ["evt_0", "evt_1"]
    assert cut_off == [503, 503]
    # A new primary without a replica confirms nothing, and does not hang.
    assert alone == [503, 503]
    assert survived[0] == "evt_0"
    assert "evt_1" not in survived
    assert sorted(kept) == ["evt_0", "evt_1", "evt_2"]


async def test_a_replica_that_comes_back_confirms_what_it_has_missed(
    replica_set: ReplicaSet,
) -> None:
    """503 with ``Retry-After`` as long as it is away, said once in the log; then 200 by itself."""
    with capture_logs() as captured:
        async with gateway_over(replica_set) as gateway:
            await deliver(gateway, "evt_0")
            replica_set.cut_off()
            away = await gateway.send(body_of("evt_1"))
            again = await status_of(gateway, "evt_1")
            ready = await gateway.ask("/readyz")

            replica_set.rejoin()
            await deliver(gateway, "evt_1")
            await until_status(gateway, "/readyz", 200)
            kept = await ids_in(replica_set.replicas[0])

    said = [line["event"] for line in captured]
    assert (away.status, again, away.headers["retry-after"]) == (503, 503, "5")
    assert (await away.json(content_type=None))["reason"] == "store_unavailable"
    assert ready == (503, {"ready": False})
    assert kept == ["evt_0", "evt_1"]
    assert said.count("too_few_replicas") == said.count("replicas_confirm_again") == 1


async def test_a_lost_answer_is_asked_for_anew(replica_set: ReplicaSet) -> None:
    """Whether the store's or the replicas': the event has one entry, and is confirmed."""
    async with gateway_over(replica_set) as gateway:
        await deliver(gateway, "evt_0")
        replica_set.front.lose_replies_to(b"WAIT", 2)
        await deliver(gateway, "evt_1")
        kept = await ids_in(replica_set.replicas[0])

    assert replica_set.front.lost == 2
    assert kept == ["evt_0", "evt_1"]


async def test_fewer_replicas_than_wanted_confirm_nothing(replica_set: ReplicaSet) -> None:
    """One of two is none; the log names what is missing and what mends it."""
    with capture_logs() as captured:
        async with gateway_over(replica_set, replicas=2) as gateway:
            answer = await status_of(gateway, "evt_1")
            ready = await gateway.ask("/readyz")

    (risk,) = [line for line in captured if line.get("what") == "replicas"]
    assert answer == 503
    assert ready == (503, {"ready": False})
    assert risk["event"] == "store_at_risk"
    assert risk["found"].startswith("1 connected")
    assert "REPLICAOF" in risk["advice"]


async def test_an_unknown_script_does_not_spoil_the_wait(replica_set: ReplicaSet) -> None:
    """A server that has forgotten the scripts is waited for after it has run them, not before."""
    async with gateway_over(replica_set) as gateway:
        await deliver(gateway, "evt_0")
        replica_set.cut_off()
        with replica_set.primary.client() as client:
            client.script_flush()
            client.client_kill_filter(_type="normal", skipme=True)
        answers = [await status_of(gateway, "evt_1") for _ in range(2)]

    assert answers == [503, 503]


async def test_a_full_server_confirms_what_it_has(
    replica_set: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A duplicate needs a write of its own, which passes where new events do not."""
    monkeypatch.setattr("relay.capacity.STOP_RATIO", 10.0**12)
    async with gateway_over(replica_set) as gateway:
        await deliver(gateway, "evt_0")
        with replica_set.primary.client() as client:
            client.config_set("maxmemory", 1)
            known = await status_of(gateway, "evt_0")
            new = await gateway.send(body_of("evt_1"))
            client.config_set("maxmemory", 0)

    assert known == 200
    assert (new.status, (await new.json(content_type=None))["reason"]) == (503, "store_full")


async def test_with_a_spool_what_no_replica_has_waits_on_the_disk(
    replica_set: ReplicaSet, tmp_path: Path
) -> None:
    """It is answered 200, goes from there when a replica confirms again, and has one entry."""
    async with gateway_over(replica_set, spool={"directory": str(tmp_path)}) as gateway:
        await deliver(gateway, "evt_0")
        replica_set.cut_off()
        away = [await (await gateway.send(body_of(f"evt_{n}"))).json() for n in range(1, 8)]

        def drained() -> bool:
            return b"relay_spool_events 0.0" in gateway.gateway.metrics.text()

        before = drained()
        replica_set.rejoin()
        await wait_until(drained, description="the spool is empty")
        kept = await ids_in(replica_set.replicas[0])

    assert away == [{"received": True, "spooled": True}] * 7
    assert not before
    assert kept == [f"evt_{n}" for n in range(8)]
