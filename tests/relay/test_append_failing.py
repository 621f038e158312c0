"""What the appender says of a store that fails, and that whoever waits need not wait for it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.append import Limits
from relay.contract.connect import RedisError
from relay.contract.errors import StoreUnavailable
from relay.contract.event import Appended
from relay.contract.wire import Command, Wire
from tests.making import make_identified
from tests.relay.appending import Bench, make_bench
from tests.waiting import wait_until


async def test_a_lost_flush_is_told_at_once(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the event's time is over; the event is stored with the next attempt."""
    bench = make_bench(client, limits=Limits(deadline_seconds=60))
    exchange = Wire.exchange
    lost: list[object] = []

    async def lose_first(wire: Wire, commands: Sequence[Command]) -> list[Any]:
        if not lost:
            lost.append(commands)
            raise ConnectionResetError
        return await exchange(wire, commands)

    monkeypatch.setattr(Wire, "exchange", lose_first)
    (result,) = await bench.append(make_identified("evt_1"))

    assert isinstance(result, Appended)
    assert (bench.heard.failures, bench.heard.connections) == (1, 1)


async def test_a_store_that_hangs_is_told_of(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the first event's time is over, though no flush has ended yet."""
    bench = make_bench(client, limits=Limits(deadline_seconds=0.05))
    may_end = asyncio.Event()

    async def hang(_: Wire, __: Sequence[Command]) -> list[Any]:
        await may_end.wait()
        raise RedisError

    monkeypatch.setattr(Wire, "exchange", hang)
    (result,) = await bench.append(make_identified("evt_1"))
    failures = bench.heard.failures
    may_end.set()
    await bench.appender.stop()

    assert isinstance(result, StoreUnavailable)
    assert failures == 1


async def test_what_is_given_up_is_not_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are answered at once; what was under way may be stored, and nothing else."""
    exchange, may_end = Wire.exchange, asyncio.Event()
    exchanges = 0

    async def lose_answer(wire: Wire, commands: Sequence[Command]) -> list[Any]:
        nonlocal exchanges
        exchanges += 1
        await may_end.wait()
        await exchange(wire, commands)
        raise ConnectionResetError

    await bench.append(make_identified("evt_0"))
    with monkeypatch.context() as patched:
        patched.setattr(Wire, "exchange", lose_answer)
        first = asyncio.create_task(bench.append(make_identified("evt_1")))
        await wait_until(lambda: bench.is_under_way, description="one is under way")
        second = asyncio.create_task(bench.append(make_identified("evt_2")))
        await wait_until(lambda: bench.appender.waiting == 1, description="another waits")
        bench.give_up()
        results = [*await first, *await second]
        left = bench.appender.waiting, bench.appender.waiting_bytes
        may_end.set()
        await bench.appender.stop()
    (after,) = await bench.append(make_identified("evt_3"))

    assert [type(result) for result in results] == [StoreUnavailable] * 2
    assert left == (0, 0)
    assert exchanges == 1
    assert isinstance(after, Appended)
    assert [event.id for event in (await bench.events()).values()] == [
        "evt_0",
        "evt_1",
        "evt_3",
    ]
