"""Whatever order statuses come in, and wherever a worker dies, the books come to the same."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st
from redis.asyncio import Redis

from consumers.unipile.account_gaps.announcing import Announcing
from consumers.unipile.account_gaps.books import Books, Folded
from consumers.unipile.account_gaps.changes import Change
from consumers.unipile.account_gaps.worker import AccountGaps
from relay.contract.accounts import Gap
from relay.contract.connect import connect
from tests.consumers.unipile.accounts_model import (
    DOWN,
    OTHER,
    PRODUCTS,
    UP,
    Interval,
    Told,
    gaps_of,
    is_covered,
    open_of,
    status_of,
)
from tests.consumers.unipile.watching import (
    KEYS,
    announced,
    book_of,
    gaps_in,
    given,
    here,
    ids,
    intervals,
    status_in,
)
from tests.servers import Server

pytestmark = pytest.mark.redis

STATUSES = (UP, UP, *DOWN, *OTHER)
# Few moments, so that many things happen in the same one.
TOLD = st.builds(
    Told,
    account=st.sampled_from(("acc_1", "acc_2")),
    at=st.integers(0, 12),
    status=st.sampled_from(STATUSES),
    product=st.sampled_from(PRODUCTS),
).map(lambda told: told if told.status != UP else Told(told.account, told.at, UP))
PLACES = ("before the fold", "after the fold", "after the append", "after the mark", "nowhere")


class Killed(Exception):
    """The process died here."""


class Mortal(Books):
    """Books between whose calls the process dies, where it was told to."""

    dies = "nowhere"

    async def fold(self, tag: str, change: Change) -> Folded:
        """Die before it, or after it."""
        self.die("before the fold")
        folded = await super().fold(tag, change)
        self.die("after the fold")
        return folded

    async def note_announced(self, tag: str, account: str, gaps: Sequence[Gap]) -> None:
        """Die before it, or after it."""
        self.die("after the append")
        await super().note_announced(tag, account, gaps)
        self.die("after the mark")

    def die(self, place: str) -> None:
        """End the process, if this is the place."""
        if self.dies == place:
            raise Killed


async def lived_through(
    store: Redis, history: Sequence[tuple[Told, str]], come_back: Callable[[int], int]
) -> None:
    """Take what is told; what a process died of comes again.

    Args:
        store: Empty.
        history: What is told, and where the process dies that takes it.
        come_back: Says how many others come first, of so many.
    """
    left = list(enumerate(history))
    announcing = Announcing(store, here())
    while left:
        number, (told, place) = left.pop(0)
        books = Mortal(store, KEYS)
        books.dies = place
        try:
            await AccountGaps(books, announcing).take(given(told.event(f"evt_{number}")))
        except Killed:
            left.insert(come_back(len(left)), (number, (told, "nowhere")))
    await announcing.stop()


async def judge(store: Redis, history: Sequence[Told]) -> None:
    """Compare what is in the store with the model."""
    said = intervals(await announced(store))
    for account in {told.account for told in history}:
        own = [told for told in history if told.account == account]
        wanted = gaps_of(own)
        book, status = await book_of(store, account), await status_in(store, account)

        assert await gaps_in(store, account) == wanted
        assert all(gap.announced for gap in book.gaps if not gap.gone)
        assert {(gap.product, gap.opened) for gap in status.open} == open_of(own)
        assert (status.status, status.product) == status_of(own)
        assert [gap for gap in wanted if not is_covered(gap, said.get(account, ()))] == []
    found = await ids(store)
    assert len(found) == len(set(found))


async def run(server: Server, body: Callable[[Redis], Awaitable[None]]) -> None:
    """Give an empty store to one example."""
    with server.client() as client:
        client.flushall()
    store = connect(server.url, role="test", connections=5)
    await body(store)
    await store.aclose()


HISTORIES = st.lists(st.tuples(TOLD, st.sampled_from(PLACES)), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_any(history=HISTORIES, in_order=st.booleans(), seed=st.integers(0, 2**32))
def test_any_order_repeats_and_deaths_come_to_the_model(
    server: Server,
    history: list[tuple[Told, str]],
    in_order: bool,  # noqa: FBT001 - drawn, and given by name
    seed: int,
) -> None:
    """The books equal it, and what was announced covers it, or equals it where all came in order.

    Where a process died its event comes again: later by chance, or at once and so in order.
    """
    chance = random.Random(seed)
    told = [each for each, _ in history]

    def come_back(others: int) -> int:
        return 0 if in_order else chance.randint(0, others)

    async def play(store: Redis) -> None:
        lived = sorted(history, key=lambda each: when(each[0])) if in_order else history
        await lived_through(store, lived, come_back)
        await judge(store, told)
        if in_order:
            assert intervals(await announced(store)) == wanted_of(told)

    asyncio.run(run(server, play))


def when(told: Told) -> tuple[float, bool]:
    """Of one moment, what is away comes last."""
    return told.at, told.status in DOWN


def wanted_of(history: Sequence[Told]) -> dict[str, set[Interval]]:
    """Give the model's gaps of each account that has any."""
    accounts = {told.account for told in history}
    wanted = {one: gaps_of(told for told in history if told.account == one) for one in accounts}
    return {account: gaps for account, gaps in wanted.items() if gaps}
