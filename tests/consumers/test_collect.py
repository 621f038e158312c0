"""Which entries are given to a batch handler together, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.collect import Collector
from consumers.entry import HeldEntry, History
from consumers.worker import Batch
from tests.consumers.making import make_entry, make_handler, make_room
from tests.waiting import wait_until

FOR_EVER = 3600.0


class Scene:
    """A room, and what puts its entries together.

    Args:
        size: Of a batch.
        wait_seconds: Of its first entry.
    """

    def __init__(self, size: int, wait_seconds: float) -> None:
        batch = Batch(size, wait_seconds)
        self.room = make_room(make_handler(batch=batch))
        self.collector = Collector(self.room, batch)

    async def put(self, first: int, last: int, *, attempts: int = 0) -> None:
        """Have entries come in, and be seen."""
        for number in range(first, last + 1):
            self.room.put(make_entry(f"{number}-0", history=History(attempts)))
        await wait_until(lambda: not self.room._queue, description="they are seen")

    async def take(self) -> list[int]:
        """Take a batch, and give the numbers of its entries."""
        return numbers(await self.collector.take())


def numbers(entries: list[HeldEntry]) -> list[int]:
    """Give the numbers that entries were made with."""
    return [int(entry.entry_id.partition("-")[0]) for entry in entries]


@asynccontextmanager
async def collecting(size: int = 3, wait_seconds: float = FOR_EVER) -> AsyncIterator[Scene]:
    """Have entries collected within the block."""
    scene = Scene(size, wait_seconds)
    running = asyncio.create_task(scene.collector.run())
    yield scene
    running.cancel()
    await asyncio.wait({running})


async def test_a_full_batch_goes_at_once() -> None:
    """It waits for nobody, and is never larger than its size."""
    async with collecting(size=3) as scene:
        await scene.put(1, 7)

        assert [await scene.take(), await scene.take()] == [[1, 2, 3], [4, 5, 6]]


async def test_what_fills_a_batch_sends_it_off() -> None:
    """A lane that waits for more is woken by the last of them."""
    async with collecting(size=3) as scene:
        taking = asyncio.create_task(scene.take())
        await scene.put(1, 2)
        assert not taking.done()
        await scene.put(3, 3)

        assert await taking == [1, 2, 3]


async def test_a_batch_that_does_not_fill_goes_when_its_first_has_waited() -> None:
    """Nothing waits for ever."""
    async with collecting(size=3, wait_seconds=0.01) as scene:
        await scene.put(1, 2)

        assert await scene.take() == [1, 2]


async def test_the_wait_begins_when_the_first_comes_and_not_when_a_lane_is_free() -> None:
    """What came while all lanes were busy has waited already."""
    async with collecting(size=3, wait_seconds=60) as scene:
        now = asyncio.get_running_loop().time()
        scene.collector._waiting.extend([(now - 61, make_entry("1-0")), (now, make_entry("2-0"))])

        assert await scene.take() == [1, 2]


async def test_without_a_wait_what_is_there_goes() -> None:
    """Batches then come about by a backlog alone."""
    async with collecting(size=3, wait_seconds=0) as scene:
        await scene.put(1, 2)

        assert await scene.take() == [1, 2]


async def test_lanes_do_not_divide_a_batch() -> None:
    """Several that wait would each get a part of it."""
    async with collecting(size=3) as scene:
        lanes = [asyncio.create_task(scene.take()) for _ in range(3)]
        await asyncio.sleep(0)
        await scene.put(1, 3)
        await wait_until(lambda: any(lane.done() for lane in lanes), description="one has it")
        taken = [await lane for lane in lanes if lane.done()]
        for lane in lanes:
            lane.cancel()
        await asyncio.wait(lanes)

        assert taken == [[1, 2, 3]]


async def test_what_has_failed_before_is_given_alone_and_at_once() -> None:
    """It waits for no others, and cannot fail them."""
    async with collecting(size=3) as scene:
        await scene.put(1, 2)
        await scene.put(8, 9, attempts=1)

        assert [await scene.take(), await scene.take()] == [[8], [9]]
        assert numbers(scene.collector.drain()) == [1, 2]


async def test_failed_ones_and_batches_take_turns() -> None:
    """A pile of one kind must not keep the other waiting to its end."""
    async with collecting(size=2) as scene:
        await scene.put(1, 4)
        await scene.put(7, 9, attempts=1)
        turns = [await scene.take() for _ in range(5)]

        assert turns == [[7], [1, 2], [8], [3, 4], [9]]


async def test_what_no_lane_has_taken_can_be_given_up() -> None:
    """Also what waits for its batch to fill; a lane that was waiting for it takes nothing along."""
    async with collecting(size=3) as scene:
        taking = asyncio.create_task(scene.take())
        await scene.put(1, 2)
        await scene.put(9, 9, attempts=1)
        assert await taking == [9]
        taking = asyncio.create_task(scene.take())
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait({taking})

        assert numbers(scene.collector.drain()) == [1, 2]
        assert scene.collector.drain() == []
