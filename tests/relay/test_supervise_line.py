"""The talk between parent and child: what is said arrives, and nobody waits for who is silent."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.contract.ready import Ready as Readiness
from relay.contract.tally import Tally, text
from relay.metrics import Metrics
from relay.metrics.families import GATEWAY, PROCESSES
from relay.processes.messages import Begin
from relay.supervise.line import Line, Lines
from relay.supervise.messages import (
    Accepting,
    AskReady,
    AskTally,
    Channel,
    Counted,
    Ready,
    RunOut,
)
from tests.waiting import wait_until

BEGIN = Begin(
    listening=[3],
    variables={"A": "b"},
    toml='{"port": 1}',
    options={"redis": {"url": "redis://h"}},
    secrets={"/run/s": "x"},
    log_format="json",
)


@asynccontextmanager
async def child_of(lines: Lines) -> AsyncIterator[tuple[Line, Channel]]:
    """Have a parent's line and the child's end of it within the block."""
    ours, theirs = socket.socketpair()
    line, child = lines.open(await Channel.over(ours)), await Channel.over(theirs, Begin)
    try:
        yield line, child
    finally:
        child.close()


async def answer(child: Channel, deliveries: int, *, ready: Readiness) -> None:
    """Answer the parent's questions as a child does that has counted so many deliveries."""
    metrics = Metrics()
    for _ in range(deliveries):
        metrics.delivery("unipile", "stored")
    while (question := await child.receive()) is not None:
        if isinstance(question, AskTally):
            await child.send(Counted(metrics.tally(), asked=True))
        if isinstance(question, AskReady):
            await child.send(Ready(ready))


def stored(tally: Tally) -> float:
    """Give the number of deliveries stored."""
    return sum(value for name, _, value in tally.counters if name == "relay_deliveries")


async def test_a_child_hears_what_it_is_to_be() -> None:
    """The first message arrives whole, and the parent learns when deliveries are taken."""
    async with child_of(Lines(GATEWAY, PROCESSES)) as (line, child):
        beginning = asyncio.create_task(line.begin(BEGIN))

        assert await child.receive() == BEGIN
        assert not line.is_accepting
        await child.send(Accepting())
        assert await beginning
        assert line.is_accepting


def test_what_a_child_is_to_be_does_not_show_itself() -> None:
    """There are passwords and secrets in it."""
    assert repr(BEGIN) == "Begin(listening=[3])"


async def test_a_child_that_ends_at_its_start_is_not_waited_for() -> None:
    """Its end is the answer."""
    async with child_of(Lines(GATEWAY, PROCESSES)) as (line, child):
        beginning = asyncio.create_task(line.begin(BEGIN))
        child.close()

        assert not await beginning


async def test_a_child_that_is_to_run_out_counts_no_longer() -> None:
    """From the moment it is asked to, whether it hears it or not."""
    async with child_of(Lines(GATEWAY, PROCESSES)) as (line, child):
        await child.send(Accepting())
        await wait_until(lambda: line.is_accepting, description="it takes deliveries")

        await line.run_out()

        assert not line.is_accepting
        assert await child.receive() == RunOut()


async def test_what_children_count_is_summed_up_and_never_falls() -> None:
    """Two that live, then one of them has gone, with what it said unasked as its last word."""
    lines = Lines(GATEWAY, PROCESSES)
    async with child_of(lines) as (_, one), child_of(lines) as (_, other):
        answering = [
            asyncio.create_task(answer(one, 3, ready=True)),
            asyncio.create_task(answer(other, 4, ready=True)),
        ]
        assert stored(await lines.tally()) == 7

        metrics = Metrics()
        for _ in range(5):
            metrics.delivery("unipile", "stored")
        answering[0].cancel()
        await one.send(Counted(metrics.tally(), asked=False))
        finishing = asyncio.create_task(one.finish())

        async def is_counted() -> bool:
            tally = await lines.tally()
            assert stored(tally) >= 7
            return stored(tally) == 9 and b"relay_processes 0.0" in text(tally, GATEWAY)

        await wait_until(is_counted, description="the last word of the ended child counts")
        await finishing
        answering[1].cancel()


async def test_a_child_that_hangs_holds_nobody_up() -> None:
    """Its last word counts, its neighbour's answer too, and it is asked only once."""
    lines = Lines(GATEWAY, PROCESSES)
    async with child_of(lines) as (_, hanging), child_of(lines) as (_, other):
        answering = asyncio.create_task(answer(other, 4, ready=True))
        for channel in (hanging, other):
            await channel.send(Accepting())
        metrics = Metrics()
        metrics.delivery("unipile", "stored")
        await hanging.send(Counted(metrics.tally(), asked=False))

        sums = [stored(await lines.tally()) for _ in range(3)]
        ready = await lines.is_ready()
        answering.cancel()

        assert sums == [5, 5, 5]
        assert ready
        assert isinstance(await hanging.receive(), AskTally)
        assert isinstance(await hanging.receive(), AskReady)


async def test_ready_is_what_any_child_is() -> None:
    """None, one that is not, one that is but not as it should, and then one that is."""
    lines = Lines(GATEWAY, PROCESSES)
    assert not await lines.is_ready()
    async with (
        child_of(lines) as (first, one),
        child_of(lines) as (half, degraded),
        child_of(lines) as (second, other),
    ):
        answering = [
            asyncio.create_task(answer(one, 0, ready=False)),
            asyncio.create_task(answer(degraded, 0, ready="degraded")),
            asyncio.create_task(answer(other, 0, ready=True)),
        ]
        await one.send(Accepting())
        await wait_until(lambda: first.is_accepting, description="the first takes deliveries")
        assert not await lines.is_ready()
        await degraded.send(Accepting())
        await wait_until(lambda: half.is_accepting, description="so does the one with a spool")
        assert await lines.is_ready() == "degraded"
        await other.send(Accepting())
        await wait_until(lambda: second.is_accepting, description="the second takes deliveries")

        assert await lines.is_ready() is True
        for task in answering:
            task.cancel()


async def test_a_word_to_a_child_that_has_gone_is_no_failure() -> None:
    """The end of the line says all that there is to say."""
    lines = Lines(GATEWAY, PROCESSES)
    async with child_of(lines) as (line, child):
        child.close()

        for _ in range(3):
            await line.run_out()
            assert not await line.is_ready()
        assert stored(await lines.tally()) == 0
