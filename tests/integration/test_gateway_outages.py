"""A store that is away, asleep or full: what senders are told, and that nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from relay.contract.connect import send_command
from tests.integration.gateways import Running, running, until_status
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


def body_of(event_id: str) -> bytes:
    """Write an event object."""
    return f'{{"id":"{event_id}","type":"message.new"}}'.encode()


@pytest.fixture
async def gateway(own_server: Server) -> AsyncIterator[Running]:
    """A gateway over a durable server that the test may stop; it waits a second for the store."""
    async with running(own_server, {"append_deadline_seconds": 1}) as one:
        yield one


async def stored_ids(gateway: Running) -> list[str]:
    """Give the ids of what is in the stream."""
    return [event.id for event in (await gateway.events()).values()]


async def status_of(gateway: Running, event_id: str) -> int:
    """Send an event, and give the answer's status."""
    return (await gateway.send(body_of(event_id))).status


async def deliver(gateway: Running, *event_ids: str) -> None:
    """Send each event again until it is accepted, as a sender would."""
    for event_id in event_ids:

        async def accepted(event_id: str = event_id) -> bool:
            return await status_of(gateway, event_id) == 200

        await wait_until(accepted, description=f"{event_id} is accepted")


async def test_a_killed_store_costs_no_accepted_event(gateway: Running, own_server: Server) -> None:
    """503 while it is away, green again by itself, and whatever was answered 200 is there."""
    before = await status_of(gateway, "evt_1")
    assert (await gateway.ask("/readyz")) == (200, {"ready": True})

    own_server.kill()
    away = await gateway.send(body_of("evt_2"))
    ready, alive = await gateway.ask("/readyz"), await gateway.ask("/livez")

    assert before == 200
    assert away.status == 503
    assert away.headers["retry-after"] == "5"
    assert away.content_type == "application/problem+json"
    assert (await away.json(content_type=None))["reason"] == "store_unavailable"
    assert ready == (503, {"ready": False})
    assert alive == (200, {"alive": True})

    await asyncio.to_thread(own_server.start)
    await until_status(gateway, "/readyz", 200)
    await deliver(gateway, "evt_1", "evt_2")

    assert await stored_ids(gateway) == ["evt_1", "evt_2"]


async def test_a_sleeping_store_loses_and_doubles_nothing(
    gateway: Running, own_server: Server
) -> None:
    """503 while it says nothing; what it did after all is found when the sender comes again."""
    await status_of(gateway, "evt_0")

    own_server.fall_asleep()
    away = await asyncio.gather(*[status_of(gateway, f"evt_{n}") for n in range(1, 6)])
    ready = await gateway.ask("/readyz")
    own_server.wake_up()
    await until_status(gateway, "/readyz", 200)
    await deliver(gateway, *[f"evt_{n}" for n in range(1, 6)])

    assert set(away) == {503}
    assert ready == (503, {"ready": False})
    assert sorted(await stored_ids(gateway)) == [f"evt_{n}" for n in range(6)]


async def test_the_gateway_starts_while_the_store_is_away(own_server: Server) -> None:
    """It answers from the first moment, and works when the store comes, announcements included."""
    own_server.kill()
    async with running(own_server, {"append_deadline_seconds": 1}) as gateway:
        away = await status_of(gateway, "evt_1")
        alive = await gateway.ask("/livez")

        await asyncio.to_thread(own_server.start)
        await until_status(gateway, "/readyz", 200)
        await deliver(gateway, "evt_1")

        async def announced() -> bool:
            tags: Any = await gateway.store.smembers("relay:@tags")
            return tags == {b"unipile"} and await gateway.store.xlen("relay:@control") >= 1

        await wait_until(announced, description="tag and stream are announced")

    assert away == 503
    assert alive == (200, {"alive": True})


async def test_what_the_store_forgot_is_announced_again(
    gateway: Running, own_server: Server
) -> None:
    """A store that comes back empty learns tags and streams anew."""
    await status_of(gateway, "evt_1")
    own_server.kill()
    assert await status_of(gateway, "evt_2") == 503
    await asyncio.to_thread(own_server.start)
    with own_server.client() as client:
        client.flushall()

    async def announced() -> bool:
        tags: Any = await gateway.store.smembers("relay:@tags")
        return tags == {b"unipile"} and await gateway.store.xlen("relay:@control") >= 1

    await deliver(gateway, "evt_2")
    await wait_until(announced, description="tag and stream are announced again")
    assert await stored_ids(gateway) == ["evt_2"]


async def test_a_full_store_stops_ingress_before_it_is_full(server: Server) -> None:
    """At 85 % of maxmemory: 503 ``store_full``, not ready; with room again, by itself, 200."""
    async with running(server) as gateway:
        await status_of(gateway, "evt_1")
        # Beside it, what the server takes for a command and gives back soon is nothing.
        await gateway.store.setrange("much", 2**24 - 1, "x")
        await gateway.store.expire("much", 60)
        memory: Any = await gateway.store.info("memory")
        await gateway.store.config_set("maxmemory", int(memory["used_memory"] / 0.9))
        await until_status(gateway, "/readyz", 503)

        full = await gateway.send(body_of("evt_2"))
        written = await gateway.store.set("room:left", "x", ex=60)
        await gateway.store.config_set("maxmemory", 0)
        await until_status(gateway, "/readyz", 200)
        stored = await status_of(gateway, "evt_2")
        ids = await stored_ids(gateway)

    assert full.status == 503
    assert full.headers["retry-after"] == "30"
    assert (await full.json(content_type=None))["reason"] == "store_full"
    assert written  # the rest of the memory is the workers'
    assert stored == 200
    assert ids == ["evt_1", "evt_2"]


async def test_a_store_that_runs_full_between_two_looks_is_told_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the store itself refuses for memory the reason is the same, and nothing is marked."""
    monkeypatch.setattr("relay.capacity.STOP_RATIO", 10.0**12)
    async with running(server) as gateway:
        await status_of(gateway, "evt_1")
        await gateway.store.config_set("maxmemory", 1)

        full = await gateway.send(body_of("evt_2"))
        known = await gateway.send(body_of("evt_1"))
        await gateway.store.config_set("maxmemory", 0)
        stored = await gateway.send(body_of("evt_2"))

    assert (full.status, full.headers["retry-after"]) == (503, "30")
    assert (await full.json(content_type=None))["reason"] == "store_full"
    assert await known.json() == {"received": True, "duplicate": True}
    assert await stored.json() == {"received": True}


async def test_an_outage_is_logged_without_url_or_payload(
    gateway: Running, own_server: Server
) -> None:
    """Lines about a store that is away carry neither its address nor what was sent."""
    own_server.kill()
    with capture_logs() as captured:
        await status_of(gateway, "evt_secret")
        await wait_until(
            lambda: any(line["event"] == "duty_waits_for_store" for line in captured),
            description="the outage is logged",
        )

    assert "evt_secret" not in str(captured)
    assert str(own_server.port) not in str(captured)
    assert {line["event"] for line in captured} <= {"delivery_refused", "duty_waits_for_store"}


async def test_a_store_at_risk_is_named_whenever_one_is_met(own_server: Server) -> None:
    """At the start, and when another may stand in its place: its settings are its own."""

    def warnings() -> int:
        return [line.get("what") for line in captured].count("memory")

    with capture_logs() as captured:
        async with running(own_server, {"append_deadline_seconds": 1}) as gateway:
            await deliver(gateway, "evt_0")
            await wait_until(lambda: warnings() == 1, description="the store is warned of")
            await asyncio.to_thread(own_server.restart)
            await deliver(gateway, "evt_1")
            await wait_until(lambda: warnings() == 2, description="it is warned of again")

    said = next(line for line in captured if line.get("what") == "memory")
    assert said["event"] == "store_at_risk"
    assert said["advice"].startswith("CONFIG SET maxmemory")


async def test_stopping_finishes_what_is_in_flight(own_server: Server) -> None:
    """A gateway that is stopped while deliveries wait for the store answers them first."""
    async with running(own_server, {"append_deadline_seconds": 20}) as gateway:
        own_server.fall_asleep()
        sending = [asyncio.create_task(status_of(gateway, f"evt_{n}")) for n in range(5)]
        budget = gateway.gateway.budget
        await wait_until(
            lambda: budget.in_hand_bytes == 5 * len(body_of("evt_1")),
            description="five are in flight",
        )
        stopping = asyncio.create_task(gateway.client.server.close())
        own_server.wake_up()
        answers = await asyncio.gather(*sending)
        await stopping
        ids = await stored_ids(gateway)

    assert answers == [200] * 5
    assert sorted(ids) == [f"evt_{n}" for n in range(5)]


async def test_stopping_stores_what_nobody_waits_for_any_more(own_server: Server) -> None:
    """Events whose senders were cut off at the end of the grace period are stored all the same."""
    limits = {"append_deadline_seconds": 20, "grace_seconds": 0.1}
    async with running(own_server, limits) as gateway:
        await status_of(gateway, "evt_0")
        own_server.fall_asleep()
        sending = [asyncio.create_task(status_of(gateway, f"evt_{n}")) for n in range(1, 6)]
        budget = gateway.gateway.budget
        await wait_until(
            lambda: budget.in_hand_bytes == 5 * len(body_of("evt_1")),
            description="five are in flight",
        )
        stopping = asyncio.create_task(gateway.client.server.close())
        await wait_until(lambda: not budget.in_hand_bytes, description="the senders were cut off")
        own_server.wake_up()
        await stopping
        await asyncio.wait(sending)
        ids = await stored_ids(gateway)

    assert all(task.exception() for task in sending)
    assert sorted(ids) == [f"evt_{n}" for n in range(6)]


async def test_asking_often_costs_the_store_little(server: Server) -> None:
    """Anyone may ask whether it is ready; the store is asked twice a second at most."""
    async with running(server) as gateway:
        await until_status(gateway, "/readyz", 200)
        await gateway.store.config_resetstat()
        began = time.monotonic()
        answers = await asyncio.gather(*[gateway.ask("/readyz") for _ in range(100)])
        half_seconds = (time.monotonic() - began) / 0.5
        seen: Any = await gateway.store.info("commandstats")

    assert answers == [(200, {"ready": True})] * 100
    assert seen.get("cmdstat_evalsha", {}).get("calls", 0) <= 2 + half_seconds


async def test_ready_means_that_a_delivery_could_be_stored(server: Server, store: Redis) -> None:
    """A store that answers but takes no scripts is not ready, and neither is the gateway."""
    user = ("ACL", "SETUSER", "weak", "on", "nopass", "~*", "+@all")
    await send_command(store, *user, "-eval", "-evalsha")
    weak = server.url.replace("://", "://weak:x@")
    async with running(server, {"redis": {"url": weak}}) as gateway:
        answer = await gateway.send(b'{"id":"evt_1","type":"message.new"}')
        ready = await gateway.ask("/readyz")
    await send_command(store, "ACL", "DELUSER", "weak")

    assert answer.status == 503
    assert ready == (503, {"ready": False})
