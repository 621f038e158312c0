"""The group that watches accounts: ``relay worker consumers.unipile:gaps``."""

from collections.abc import AsyncIterator

import structlog

from consumers.event import Event
from consumers.here import here
from consumers.retry import Retry
from consumers.unipile.account_gaps.announcing import Announcing
from consumers.unipile.account_gaps.books import Books
from consumers.unipile.account_gaps.changes import REMOVED_TYPE, STATUS_TYPES, change_of
from consumers.worker import Worker
from relay.contract.connect import connect
from relay.contract.printable import printable

GROUP = "unipile-gaps"
# One keeps the appender's connection, and each run takes one for its scripts.
CONCURRENCY = 10
# About a day: a store that takes no events must not cost a gap.
PATIENT = Retry(attempts=300, cap_seconds=300.0)

_log = structlog.get_logger("consumers.unipile")


class AccountGaps:
    """Folds what events say of accounts, and announces the gaps that have closed.

    Args:
        books: Where it is folded.
        announcing: Appends the gaps' events.
    """

    def __init__(self, books: Books, announcing: Announcing) -> None:
        self._books = books
        self._announcing = announcing

    async def take(self, event: Event) -> None:
        """Take an event; known ones change nothing.

        A gap is noted as announced only once its event is stored, and the event that was taken
        counts as done only after that: whoever is killed in between announces the gap again.

        Raises:
            TryLater: The store takes no event now.
            RedisError, OSError: The store is away, or something else stands in a book's place.
        """
        change = change_of(event)
        if change is None:
            _log.warning("account_unnamed", type=event.type, event_id=printable(event.id))
            return
        folded = await self._books.fold(event.tag, change)
        if folded.is_late:
            _log.info("account_change_too_old", tag=event.tag, account=printable(change.account))
        if not folded.due:
            return
        new = await self._announcing.announce(event, change.account, folded.due)
        await self._books.note_announced(event.tag, change.account, folded.due)
        for gap in new:
            _log.info(
                "account_gap_announced",
                tag=event.tag,
                account=printable(change.account),
                product=None if gap.product is None else printable(gap.product),
                opened=gap.opened,
                closed=gap.closed,
            )


gaps = Worker(group=GROUP)


@gaps.resource
async def account_gaps() -> AsyncIterator[AccountGaps]:
    """Open what writes into the store that this worker reads from."""
    store = here()
    redis = connect(store.url, role="gaps", connections=1 + CONCURRENCY)
    announcing = Announcing(redis, store)
    try:
        yield AccountGaps(Books(redis, store.keys), announcing)
    finally:
        await announcing.stop()
        await redis.aclose()


@gaps.on(f"*:{STATUS_TYPES}*", retry=PATIENT, concurrency=CONCURRENCY)
async def fold_status(event: Event, account_gaps: AccountGaps) -> None:
    """Take the status of an account."""
    await account_gaps.take(event)


@gaps.on(f"*:{REMOVED_TYPE}", retry=PATIENT, concurrency=1)
async def fold_removal(event: Event, account_gaps: AccountGaps) -> None:
    """Take note that an account is no more."""
    await account_gaps.take(event)
