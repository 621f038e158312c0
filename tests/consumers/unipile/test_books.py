"""The books of accounts, where a property test would seldom come."""

import msgspec
import pytest
from redis.asyncio import Redis

from consumers.unipile.account_gaps import books as books_module
from consumers.unipile.account_gaps.books import Books, Folded
from consumers.unipile.account_gaps.changes import change_of
from relay.contract.connect import ResponseError
from tests.consumers.making import full
from tests.consumers.unipile.accounts_model import Told, moment
from tests.consumers.unipile.watching import (
    KEYS,
    TAG,
    book_of,
    gaps_in,
    given,
    status_in,
)

pytestmark = pytest.mark.redis
DAY = 86_400.0


def told(at: float, status: str, product: str | None = None) -> Told:
    """Tell something of one account."""
    return Told("acc_1", at, status, product)


async def fold(store: Redis, *each: Told) -> Folded:
    """Fold what is told, and give what the last came to."""
    books = Books(store, KEYS)
    for one in each:
        change = change_of(given(one.event()))
        assert change is not None
        folded = await books.fold(TAG, change)
    return folded


async def announce(store: Redis, folded: Folded) -> None:
    """Note that the events of all that is due are stored."""
    await Books(store, KEYS).note_announced(TAG, "acc_1", folded.due)


def spans(folded: Folded) -> set[tuple[str, str]]:
    """Say when the gaps that are due opened and closed."""
    return {(gap.opened, gap.closed) for gap in folded.due}


def span(opened: float, closed: float) -> tuple[str, str]:
    """Write one."""
    return moment(opened), moment(closed)


async def test_a_gap_is_due_until_it_is_announced(store: Redis) -> None:
    """Whoever folds anything of the account is told of it."""
    first = await fold(store, told(10, "disconnected"), told(30, "running"))
    again = await fold(store, told(40, "connecting"))
    await announce(store, again)
    afterwards = await fold(store, told(50, "connecting"))

    assert spans(first) == spans(again) == {span(10, 30)}
    assert spans(afterwards) == set()


async def test_what_comes_late_makes_other_gaps(store: Redis) -> None:
    """One that another takes in is due no more, and is again when it is split off."""
    await fold(store, told(10, "errored"), told(30, "running"))
    earlier = await fold(store, told(5, "disconnected"))
    split = await fold(store, told(7, "running"))

    assert spans(earlier) == {span(5, 30)}
    assert spans(split) == {span(5, 7), span(10, 30)}
    assert await gaps_in(store, "acc_1") == {(None, *span(5, 7)), (None, *span(10, 30))}


async def test_what_was_announced_covers_what_is_shorter(store: Redis) -> None:
    """It is not announced again under the same id; the piece behind has one of its own."""
    await announce(store, await fold(store, told(10, "errored"), told(30, "running")))
    shorter = await fold(store, told(20, "running"))
    piece = await fold(store, told(25, "paused"))

    assert spans(shorter) == set()
    assert spans(piece) == {span(25, 30)}
    assert await gaps_in(store, "acc_1") == {(None, *span(10, 20)), (None, *span(25, 30))}


async def test_one_product_of_a_moment_has_the_plain_id_and_keeps_it(store: Redis) -> None:
    """Also while what came late has put another gap in its place: its event may be stored."""
    await fold(store, told(10, "disconnected", "classic"), told(30, "running"))
    await fold(store, told(5, "disconnected", "classic"))
    late = await fold(store, told(10, "disconnected", "recruiter"))

    assert {(gap.product, gap.plain) for gap in late.due} == {
        ("classic", True),
        ("recruiter", False),
    }
    book = await book_of(store, "acc_1")
    assert [gap.product for gap in book.gaps if gap.opened == moment(10) and gap.plain] == [
        "classic"
    ]


async def test_a_moment_that_is_up_and_down_is_rather_down(store: Redis) -> None:
    """In either order; and a gap of no length is none."""
    await fold(store, told(10, "disconnected"), told(20, "running"), told(20, "errored"))
    closed = await fold(store, told(30, "running"))

    assert spans(closed) == {span(10, 20), span(20, 30)}


async def test_a_status_is_since_it_began(store: Redis) -> None:
    """Repeats change nothing, whenever they come."""
    await fold(store, told(30, "errored"), told(20, "errored"), told(10, "running"))
    found = await status_in(store, "acc_1")

    assert (found.status, found.since) == ("errored", moment(20))


async def test_what_is_older_than_a_week_is_summed_up(store: Redis) -> None:
    """What was open then closes as it should, and what comes later of that time is left out."""
    await fold(store, told(0, "errored"), told(1, "errored"))
    await fold(store, told(8 * DAY, "connecting"))
    late = await fold(store, told(0.5, "running"))
    closed = await fold(store, told(9 * DAY, "running"))
    value = msgspec.json.decode(await store.hget(KEYS.gaps(TAG), "acc_1") or b"")

    assert late.is_late
    assert not closed.is_late
    assert spans(closed) == {span(0, 9 * DAY)}
    assert [status for _, _, status in value["changes"]] == ["connecting", "running"]


async def test_the_books_forget_what_is_announced_and_old(store: Redis) -> None:
    """After a week nothing can change it, and nobody asks for it."""
    await announce(store, await fold(store, told(0, "errored"), told(10, "running")))
    await fold(store, told(20, "errored"), told(30, "running"))
    await fold(store, told(8 * DAY, "connecting"))
    last = await fold(store, told(16 * DAY, "connecting"))
    book = await book_of(store, "acc_1")

    # Not announced: it is due for as long as that takes.
    assert spans(last) == {span(20, 30)}
    assert {(gap.opened, gap.closed) for gap in book.gaps} == {span(20, 30)}


async def test_a_book_is_bounded(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that drops and comes back all day costs no more than so much."""
    monkeypatch.setattr(books_module, "MOST_CHANGES", 6)
    seen: set[tuple[str, str]] = set()
    sizes = []
    for number in range(40):
        status = "running" if number % 2 else "errored"
        folded = await fold(store, told(number, status, None if number % 2 else "classic"))
        seen |= spans(folded)
        await announce(store, folded)
        sizes.append(len(await store.hget(KEYS.gaps(TAG), "acc_1") or b""))
    book = await book_of(store, "acc_1")

    assert seen == {span(number, number + 1) for number in range(0, 40, 2)}
    assert len(book.gaps) <= 12
    assert max(sizes[20:]) <= max(sizes[:20])


async def test_products_without_end_are_bounded(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender that names a new one each time fills no book."""
    monkeypatch.setattr(books_module, "MOST_CHANGES", 5)
    await fold(store, *(told(number, "errored", f"product {number}") for number in range(20)))
    found = await status_in(store, "acc_1")

    assert len(found.open) <= 5


@pytest.mark.parametrize("value", [b"no JSON", b"17", b'{"changes": 5}', b"\xff"])
async def test_what_is_no_book_is_said_and_left(store: Redis, value: bytes) -> None:
    """Of this account nothing is folded until somebody has looked; of the others all is."""
    await store.hset(KEYS.gaps(TAG), "acc_1", value)
    with pytest.raises(ResponseError):
        await fold(store, told(10, "errored"))
    await fold(store, Told("acc_2", 10, "errored"))

    assert await store.hget(KEYS.gaps(TAG), "acc_1") == value
    assert (await status_in(store, "acc_2")).status == "errored"


async def test_another_type_in_the_place_of_the_books_is_said(store: Redis) -> None:
    """Before anything is written."""
    await store.set(KEYS.accounts(TAG), "text", ex=60)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await fold(store, told(10, "errored"))

    assert not await store.exists(KEYS.gaps(TAG))


async def test_a_full_store_still_keeps_the_books(store: Redis) -> None:
    """They are what drains it."""
    async with full(store):
        folded = await fold(store, told(10, "errored"), told(20, "running"))
        await announce(store, folded)

    assert spans(folded) == {span(10, 20)}
    assert [gap.announced for gap in (await book_of(store, "acc_1")).gaps] == [True]


async def test_gaps_that_the_book_has_lost_cannot_be_noted(store: Redis) -> None:
    """Somebody has deleted it meanwhile; nothing is made of that."""
    folded = await fold(store, told(10, "errored"), told(20, "running"))
    await store.delete(KEYS.gaps(TAG))
    await announce(store, folded)

    assert not await store.exists(KEYS.gaps(TAG))
