"""The bound on body bytes in hand."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from relay.contract.errors import BodyIncomplete, Overloaded
from relay.receive.body import PIECE_BYTES, UNFINISHED_BYTES, Budget, Share, join_small
from tests.waiting import wait_until

KIB = 1024


@contextmanager
def held(budget: Budget, client: str) -> Iterator[Share]:
    """Hold a share within the block."""
    share = budget.share(client)
    try:
        yield share
    finally:
        share.release()


class Reading:
    """A body that is being read: it grows when told to, and tells how its reading ended."""

    def __init__(self, budget: Budget, client: str) -> None:
        self._budget = budget
        self._chunks: asyncio.Queue[int] = asyncio.Queue()
        self.share: Share | None = None
        self.task = asyncio.create_task(self._read(client))

    async def grow(self, size_bytes: int) -> None:
        """Let more bytes come, and return when they were taken note of or the reading ended."""
        await self._chunks.put(size_bytes)
        await wait_until(
            lambda: self._chunks.empty() or self.task.done(), description="the bytes were taken"
        )
        await asyncio.sleep(0)

    async def outcome(self) -> str:
        """Wait for the end of the reading."""
        await asyncio.wait({self.task})
        error = self.task.exception()
        return type(error).__name__ if error else "whole"

    async def _read(self, client: str) -> None:
        with held(self._budget, client) as self.share:
            async with self.share.unless_cut():
                while size_bytes := await self._chunks.get():
                    self.share.grow(size_bytes)


def make_budget(limit_kib: int = 64, max_body_kib: int = 32, body_seconds: float = 60) -> Budget:
    """Make a budget; a client's part is the longest body here."""
    return Budget(
        limit_kib * KIB,
        max_body_bytes=max_body_kib * KIB,
        body_seconds=body_seconds,
        unfinished_bytes=0,
    )


async def test_bytes_are_in_hand_until_the_share_ends() -> None:
    """What was taken counts until the delivery is answered, not until its body is complete."""
    budget = make_budget()

    with held(budget, "a") as share:
        async with share.unless_cut():
            share.grow(3 * KIB)
        in_hand = budget.in_hand_bytes

    assert in_hand == 3 * KIB
    assert budget.in_hand_bytes == 0


async def test_the_longest_unfinished_body_is_cut() -> None:
    """When the budget is spent, the body that began first is cut and the newcomer goes on."""
    budget = make_budget()
    old, younger, newcomer = (Reading(budget, client) for client in "abc")
    await old.grow(30 * KIB)
    await younger.grow(30 * KIB)

    await newcomer.grow(20 * KIB)

    assert await old.outcome() == "BodyIncomplete"
    await younger.grow(0)
    await newcomer.grow(0)
    assert await younger.outcome() == "whole"
    assert await newcomer.outcome() == "whole"
    assert budget.in_hand_bytes == 0


async def test_as_many_are_cut_as_needed() -> None:
    """One body may need the room of several small ones."""
    budget = make_budget()
    small = [Reading(budget, f"client-{number}") for number in range(6)]
    for reading in small:
        await reading.grow(10 * KIB)

    newcomer = Reading(budget, "newcomer")
    await newcomer.grow(30 * KIB)

    assert [await reading.outcome() for reading in small[:3]] == ["BodyIncomplete"] * 3
    assert budget.in_hand_bytes == 60 * KIB
    for reading in [*small[3:], newcomer]:
        await reading.grow(0)
        assert await reading.outcome() == "whole"


async def test_one_client_has_its_part_only() -> None:
    """A client that is over its part loses its own oldest body, never another's."""
    budget = make_budget(limit_kib=1024)  # a sixteenth is 64 KiB
    other = Reading(budget, "other")
    await other.grow(30 * KIB)
    greedy = [Reading(budget, "greedy") for _ in range(3)]
    for reading in greedy:
        await reading.grow(30 * KIB)

    assert await greedy[0].outcome() == "BodyIncomplete"
    for reading in [other, *greedy[1:]]:
        await reading.grow(0)
        assert await reading.outcome() == "whole"


async def test_a_client_can_always_send_one_whole_body() -> None:
    """A part smaller than the longest body would refuse that body for ever."""
    budget = make_budget(limit_kib=64, max_body_kib=32)  # a sixteenth would be 4 KiB
    reading = Reading(budget, "a")

    await reading.grow(32 * KIB)
    await reading.grow(0)

    assert await reading.outcome() == "whole"


async def test_complete_bodies_are_never_cut() -> None:
    """What waits to be stored keeps its room; the newcomer is told to come later."""
    budget = make_budget()
    with ExitStack() as stack:
        for client in "ab":
            share = stack.enter_context(held(budget, client))
            async with share.unless_cut():
                share.grow(32 * KIB)

        newcomer = Reading(budget, "c")
        await newcomer.grow(1)

        assert await newcomer.outcome() == "Overloaded"
        assert budget.in_hand_bytes == 64 * KIB


async def test_it_is_spent_only_when_nothing_can_be_cut() -> None:
    """A budget full of complete bodies is spent; one with an unfinished body is not."""
    budget = make_budget()
    with held(budget, "a") as first, held(budget, "b") as second:
        async with first.unless_cut():
            first.grow(32 * KIB)
        async with second.unless_cut():
            second.grow(32 * KIB)
            while_unfinished = budget.is_spent
        when_complete = budget.is_spent

    assert [while_unfinished, when_complete, budget.is_spent] == [False, True, False]


async def test_a_body_that_takes_too_long_is_cut() -> None:
    """A sender that stops half-way is not waited for beyond the time for one body."""
    reading = Reading(make_budget(body_seconds=0.05), "a")
    await reading.grow(1)

    assert await reading.outcome() == "BodyIncomplete"


async def test_a_share_that_ends_by_an_error_gives_its_bytes_back() -> None:
    """Bytes of a delivery that was refused are in hand no longer."""
    budget = make_budget()

    with pytest.raises(Overloaded), held(budget, "a") as share:
        share.grow(65 * KIB)

    assert budget.in_hand_bytes == 0


async def test_a_body_that_finds_no_room_is_told_to_come_later() -> None:
    """The sender whose body would be the one to cut is not blamed for being slow."""
    budget = make_budget()
    oldest, younger = Reading(budget, "a"), Reading(budget, "b")
    await oldest.grow(30 * KIB)
    await younger.grow(30 * KIB)

    await oldest.grow(10 * KIB)

    assert await oldest.outcome() == "Overloaded"
    await younger.grow(0)
    assert await younger.outcome() == "whole"


async def test_cutting_a_body_that_is_complete_does_nothing() -> None:
    """A cut that comes too late is no error."""
    with held(make_budget(), "a") as share:
        async with share.unless_cut():
            share.grow(1)
        share.cut()

        assert share.size_bytes == 1


async def test_the_cut_is_an_incomplete_body() -> None:
    """The reader of a cut body gets the one error for it."""
    with held(make_budget(), "a") as share, pytest.raises(BodyIncomplete):
        await read_after_a_cut(share)


async def test_waiting_for_a_body_costs_more_than_its_bytes() -> None:
    """Connections that send one byte each are bounded too, and cost nothing once all is here."""
    budget = Budget(64 * KIB, max_body_bytes=KIB, unfinished_bytes=16 * KIB)
    readings = []
    for number in range(5):
        readings.append(Reading(budget, f"client-{number}"))
        await readings[-1].grow(1)

    assert await readings[0].outcome() == "BodyIncomplete"
    assert await readings[1].outcome() == "BodyIncomplete"
    assert budget.in_hand_bytes == 3 * (16 * KIB + 1)
    for reading in readings[2:]:
        await reading.grow(0)
        assert await reading.outcome() == "whole"
    assert budget.in_hand_bytes == 0


async def test_the_oldest_unfinished_body_can_be_told_to_make_room() -> None:
    """Whoever needs a connection's room cuts the body that began first, if there is one."""
    budget = make_budget()
    old, young = Reading(budget, "a"), Reading(budget, "b")
    await old.grow(1)
    await young.grow(1)

    cut = budget.cut_oldest()

    assert cut
    assert await old.outcome() == "BodyIncomplete"
    await young.grow(0)
    assert await young.outcome() == "whole"
    assert not budget.cut_oldest()


async def read_after_a_cut(share: Share) -> None:
    """Cut a body, then wait for more of it."""
    async with share.unless_cut():
        share.cut()
        await asyncio.Event().wait()


async def test_an_empty_body_leaves_nothing_behind() -> None:
    """Whoever sends none is not remembered."""
    budget = make_budget()
    share = budget.share("a")

    share.grow(0)
    share.release()

    assert budget.by_client == {}


def test_bodies_have_a_part_of_the_memory_and_a_client_a_sixteenth_of_all() -> None:
    """What the operator said bounds all that bodies lead to, so they cannot have all of it."""
    budget = Budget.within(1024 * KIB, max_body_bytes=KIB, body_seconds=60)

    assert budget.limit_bytes == 640 * KIB
    assert budget.client_bytes == 64 * KIB


async def test_the_longest_body_has_room_where_it_is_all_that_is_allowed() -> None:
    """The least budget there is, one body, is enough for a body that comes bit by bit."""
    budget = Budget.within(64 * KIB, max_body_bytes=64 * KIB, body_seconds=60)
    reading = Reading(budget, "a")

    await reading.grow(63 * KIB)
    await reading.grow(1 * KIB)
    held = budget.in_hand_bytes
    await reading.grow(0)

    assert held == 64 * KIB + UNFINISHED_BYTES
    assert await reading.outcome() == "whole"


def test_small_pieces_of_a_body_are_joined() -> None:
    """However small the pieces come, there are not many of them, and not a byte is moved."""
    body = bytes(range(256)) * 100
    pieces: list[bytes] = []
    for byte in body:
        pieces.append(bytes([byte]))
        join_small(pieces)

    assert b"".join(pieces) == body
    assert len(pieces) <= 2 * len(body) / PIECE_BYTES + 1


def test_large_pieces_of_a_body_are_left_alone() -> None:
    """To copy what is large would cost more than it spares."""
    large = [bytes(PIECE_BYTES), bytes(PIECE_BYTES)]
    pieces = list(large)

    join_small(pieces)

    assert all(one is other for one, other in zip(pieces, large, strict=True))
