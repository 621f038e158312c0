"""Who may wait for a flush, and who goes next."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.append.script import pack
from relay.append.waiting import Limits, Queue, Waiting
from relay.contract.errors import Overloaded
from relay.contract.keys import Keys
from tests.making import make_identified

Make = Callable[[int], Waiting]


@pytest.fixture
def make() -> Make:
    """Make one that waits, with a body of a given length."""
    loop = asyncio.new_event_loop()
    loop.close()

    def one(size: int) -> Waiting:
        event = pack(make_identified("evt", data=b"x" * size), Keys())
        return Waiting(event, loop.create_future(), 0.0)

    return one


def joined(queue: Queue, make: Make, wanted: int, size: int = 1) -> int:
    """Join as many as are let."""
    for number in range(wanted):
        try:
            queue.join(make(size))
        except Overloaded:
            return number
    return wanted


def test_a_line_is_bounded_by_number(make: Make) -> None:
    """One more than allowed is refused, and has a place when a batch has gone."""
    queue = Queue(Limits(waiting_events=10, batch_events=4))

    first = joined(queue, make, 20)
    batch = queue.next_batch()
    later = joined(queue, make, 20)

    assert (first, len(batch), later, len(queue)) == (10, 4, 4, 10)


def test_those_who_come_back_wait_by_their_arrival(make: Make) -> None:
    """What is looked through from the first on to the first that is not late must be in order."""
    queue = Queue(Limits(batch_events=4))
    line = [make(1) for _ in range(5)]
    for number, waiting in enumerate(line):
        waiting.since = float(number)
    queue.join(line[4])
    queue.put_first(line[:2])
    queue.put_first(line[2:4])

    assert list(queue) == line
    assert queue.size_bytes == sum(waiting.event.size_bytes for waiting in line)


def test_a_slow_store_makes_the_line_shorter(make: Make) -> None:
    """Who would wait for more than half the deadline is refused while he still listens."""
    queue = Queue(Limits(batch_events=10, deadline_seconds=2.0))
    for _ in range(50):
        queue.learn(0.1)

    # The flush under way, the newcomer's own, and eight before it take a second.
    assert joined(queue, make, 1000) == pytest.approx(90, abs=1)


def test_a_fast_store_takes_all(make: Make) -> None:
    """Where flushes are short, only the number counts."""
    queue = Queue(Limits(batch_events=10, waiting_events=5000))
    for _ in range(50):
        queue.learn(0.001)

    assert joined(queue, make, 10_000) == 5000


def test_one_stall_is_forgotten_soon(make: Make) -> None:
    """A flush that took long refuses nobody once some were fast again."""
    queue = Queue(Limits(batch_events=10, waiting_events=100))
    queue.learn(10.0)
    during = joined(queue, make, 100)
    while queue.next_batch():
        queue.learn(0.001)
    for _ in range(16):
        queue.learn(0.001)

    assert during < 100
    assert joined(queue, make, 100) == 100


def test_an_empty_line_takes_at_least_a_batch(make: Make) -> None:
    """However slow the store is, somebody must try it."""
    queue = Queue(Limits(batch_events=8))
    for _ in range(50):
        queue.learn(100.0)

    assert joined(queue, make, 100) == 8


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(1, 20), st.integers(1, 10_000))
def test_batches_are_all_of_it_in_order(
    sizes: list[int], batch_events: int, batch_bytes: int
) -> None:
    """Nothing is left out, turned round or over its bounds, unless one alone is too long."""
    loop = asyncio.new_event_loop()
    loop.close()
    queue = Queue(Limits(batch_events=batch_events, batch_bytes=batch_bytes))
    made = [
        Waiting(
            pack(make_identified(f"evt_{n}", data=b"x" * size), Keys()),
            loop.create_future(),
            float(n),
        )
        for n, size in enumerate(sizes)
    ]
    for waiting in made:
        queue.join(waiting)

    batches = []
    while batch := queue.next_batch():
        batches.append(batch)

    assert [one for batch in batches for one in batch] == made
    assert queue.size_bytes == 0
    for batch in batches:
        assert len(batch) <= batch_events
        assert len(batch) == 1 or sum(one.event.size_bytes for one in batch) <= batch_bytes
