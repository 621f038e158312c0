"""The moved time: what waits for time does not wait, and what is outside is waited for."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from consumers import Worker
from consumers.testing import make_event, run_worker
from consumers.testing.clock import MovedClock, moved_clock

DAY_SECONDS = 86_400.0
WALL = 1_791_796_448.0


async def elapsed(clock: MovedClock, wait: Callable[[], Any]) -> float:
    """Say how much moved time something takes."""
    with clock.moving(WALL):
        await wait()
        return round(clock.wall() - WALL, 6)


async def test_what_waits_for_time_is_over_at_once() -> None:
    """A month passes in no time."""
    assert await elapsed(moved_clock(), lambda: asyncio.sleep(30 * DAY_SECONDS)) == 30 * DAY_SECONDS


async def test_what_is_due_first_comes_first() -> None:
    """Time jumps from one due time to the next, over none."""
    order: list[int] = []

    async def sleep(seconds: int) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    took = await elapsed(moved_clock(), lambda: asyncio.gather(*map(sleep, (3, 1, 2))))

    assert order == [1, 2, 3]
    assert took == 3


async def test_a_timeout_ends_what_would_wait_for_ever() -> None:
    """It is as far away as it says, and no farther."""

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()

    assert await elapsed(moved_clock(), wait) == 60


async def test_time_moves_also_where_floats_are_coarse() -> None:
    """A due time that is not reached by rounding would be waited for without end."""
    clock = moved_clock()
    clock._ahead = 3e9

    assert await elapsed(clock, lambda: asyncio.sleep(1)) == pytest.approx(1)


async def test_threads_are_waited_for() -> None:
    """Else whatever is done in one would be over its time at once."""
    go = threading.Event()

    async def wait() -> bool:
        async with asyncio.timeout(60):
            thread = asyncio.create_task(asyncio.to_thread(go.wait, 10))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(go.set)
            return await thread

    assert await elapsed(moved_clock(), wait) == 0


async def test_sockets_are_waited_for_while_a_handler_runs() -> None:
    """A database that answers in its own time takes none of the moved one."""
    clock = moved_clock()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - its only argument
    asked = threading.Event()
    answering = threading.Thread(target=lambda: asked.wait(10) and theirs.send(b"yes"))
    select = clock._select

    def wait_or_look(timeout: float | None = None) -> Any:
        if timeout:  # the answer comes only when it is waited for
            asked.set()
        return select(timeout)

    async def read() -> bytes:
        answering.start()
        with clock.handling():
            async with asyncio.timeout(60):
                return await asyncio.get_running_loop().sock_recv(ours, 3)

    with ours, theirs:
        clock._select = wait_or_look
        try:
            assert await elapsed(clock, read) == 0
        finally:
            clock._select = select
            asked.set()
            answering.join()


async def test_an_open_socket_holds_nothing_up_between_runs() -> None:
    """Pools keep connections open whether anybody waits for them or not."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, print)
    with ours, theirs:
        took = await elapsed(moved_clock(), lambda: asyncio.sleep(DAY_SECONDS))
        loop.remove_reader(ours)

    assert took == DAY_SECONDS


async def test_a_socket_that_says_nothing_is_waited_for_as_long_as_it_takes() -> None:
    """A time limit around it still ends it, when its time is really over."""
    clock = moved_clock()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - its only argument

    async def wait() -> None:
        with clock.handling(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.get_running_loop().sock_recv(ours, 3)

    with ours, theirs:
        assert await elapsed(clock, wait) == 0.05


async def test_time_never_runs_back() -> None:
    """What the rest of a test waits for would be held up by all that was jumped."""
    loop, clock = asyncio.get_running_loop(), moved_clock()
    before = loop.time()
    await elapsed(clock, lambda: asyncio.sleep(DAY_SECONDS))

    assert loop.time() >= before + DAY_SECONDS
    assert moved_clock() is clock


async def test_one_run_at_a_time_moves_the_time() -> None:
    """Two would move it under each other's hands."""
    worker = Worker(group="crm")

    @worker.on("unipile:*")
    async def handle(_: object) -> None:
        await run_worker(worker, [])

    result = await run_worker(worker, [make_event()])

    assert "one run at a time" in result.runs[0].error


def test_a_loop_of_another_kind_is_refused_in_words() -> None:
    """Its time cannot be moved, and a test that waits for a month helps nobody."""
    uvloop = pytest.importorskip("uvloop")
    worker = Worker(group="crm")
    worker.on("unipile:*")(print)
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(RuntimeError, match="cannot be moved: run the test in asyncio's own"),
    ):
        runner.run(run_worker(worker, [make_event()]))
