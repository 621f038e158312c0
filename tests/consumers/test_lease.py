"""Whoever handles an entry can ask whether it is still this process's, however it came here."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from consumers import Event, Worker
from consumers import heartbeat as heartbeat_module
from consumers import sweep as sweep_module
from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.lease import Lease
from consumers.rooms import House
from consumers.sweep import Sweeper
from consumers.waiting.park import Parking
from tests.consumers.making import (
    KEYS,
    TAG,
    US,
    append_events,
    in_books,
    make_handler,
    make_seen,
    make_stream,
    read_as,
    us,
)
from tests.consumers.reading import Reading, reading
from tests.consumers.working import running
from tests.integration.workers import settled
from tests.servers import Server
from tests.waiting import wait_until

LOST = Lease(lambda: True, fence=7)


def holding(store: Redis) -> Consumer:
    """Make this process a consumer whose leases can be told from others."""
    return replace(us(store), lease=lambda: LOST)


def routed() -> tuple[Routes, House]:
    """Have one handler and its stream."""
    house = House([make_handler()])
    routes = Routes(house.rooms)
    routes.add(make_stream())
    return routes, house


async def read(store: Redis, server: Server) -> list[HeldEntry]:
    """Read an entry that is new."""
    async with reading(server.url, store, make_handler()) as scene:
        scene.reader._us = holding(store)
        await append_events(store, ["evt_1"])
        await scene.discovery.look()
        return await came(scene)


async def recover(store: Redis, server: Server) -> list[HeldEntry]:
    """Take in an entry whose reply was lost."""
    await append_events(store, ["evt_1"])
    await read_as(store, US)
    scene = Reading(server.url, store, make_handler())
    scene.reader._us = holding(store)
    await scene.discovery.look()
    running = asyncio.create_task(scene.reader.run())
    try:
        return await came(scene)
    finally:
        await scene.reader.stop()
        await running
        await scene.connection.aclose()
        await scene.news.aclose()


async def came(scene: Reading) -> list[HeldEntry]:
    """Wait for what is read."""
    await scene.until_came("evt_1")
    return scene.came


async def come_due(store: Redis, server: Server) -> list[HeldEntry]:
    """Take in an entry that was parked."""
    await append_events(store, ["evt_1"])
    (entry_id,) = await read_as(store, "@park")
    await store.zadd(KEYS.park(TAG, "crm"), {in_books(entry_id): 1.0})
    routes, house = routed()
    await Parking(holding(store), house=house, routes=routes, recover_soon=lambda: None).look()
    return house.rooms[0].drain()


async def take_over(store: Redis, server: Server) -> list[HeldEntry]:
    """Take in an entry of a dead process."""
    await append_events(store, ["evt_1"])
    await read_as(store, "dead")
    await store.set(KEYS.alive("crm", US), "1", px=60_000)
    routes, house = routed()
    sweeper = Sweeper(
        holding(store),
        house=house,
        routes=routes,
        may_take_over=lambda: True,
        recover_soon=lambda: None,
    )
    await sweeper.sweep()
    return house.rooms[0].drain()


@pytest.mark.redis
@pytest.mark.parametrize("way", [read, recover, come_due, take_over])
async def test_every_way_in_notes_the_lease(
    store: Redis,
    server: Server,
    way: Callable[[Redis, Server], Awaitable[list[HeldEntry]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a handler would be told for ever that all is well."""
    monkeypatch.setattr(sweep_module, "MIN_IDLE_MS", 0)
    (entry,) = await way(store, server)

    assert entry.lease is LOST


@pytest.mark.redis
async def test_a_handler_learns_that_its_process_counted_as_dead(
    store: Redis, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeat was gone for a moment; the next event is held as well as ever."""
    monkeypatch.setattr(heartbeat_module, "BEAT_SECONDS", 0.05)
    worker = Worker(group="crm")
    told: dict[str, list[bool]] = {}

    @worker.on("unipile:*")
    async def handle(event: Event) -> None:
        told[event.id] = [event.lease_lost]
        if event.id == "evt_1":
            await wait_until(lambda: event.lease_lost, description="it is told")
        told[event.id].append(event.lease_lost)

    async with running(worker, server.url) as process:
        await append_events(store, ["evt_1"])
        await wait_until(lambda: "evt_1" in told, description="it runs")
        await store.delete(KEYS.alive("crm", process.consumer))
        await settled(store)
        await append_events(store, ["evt_2"])
        await wait_until(lambda: "evt_2" in told, description="the next one runs")
        await settled(store)

    assert told == {"evt_1": [False, True], "evt_2": [False, False]}


def test_an_event_that_nobody_can_lose_is_never_lost() -> None:
    """As in a test of a handler, where there is no other process."""
    event = make_seen()

    assert not event.lease_lost
    assert event.fence is None
