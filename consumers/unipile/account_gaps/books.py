"""Changes into the store's books, and out of them the gaps whose events are still missing.

Both scripts may be run twice: a change that is known changes nothing, and so does a gap that is
announced already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from consumers.unipile.account_gaps.changes import Change
from relay.contract.accounts import MOST_CHANGES, Gap
from relay.contract.connect import text_of
from relay.contract.keys import Keys
from relay.contract.script import Script

_PARTS_OF_A_GAP = 4
_fold = Script("consumers", "unipile/account_gaps/fold")
_announced = Script("consumers", "unipile/account_gaps/announced")


@dataclass(frozen=True, slots=True)
class Folded:
    """What a change came to.

    Args:
        due: The account's gaps that have closed and are not announced, this change's or others.
        is_late: It was older than all that the book still tells apart, so it was left out.
    """

    due: tuple[Gap, ...]
    is_late: bool


class Books:
    """The books of accounts, in the store.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def fold(self, tag: str, change: Change) -> Folded:
        """Write a change into its account's book.

        Args:
            tag: The endpoint, or the partition of it, that holds the account.
            change: Of any age, known or not.

        Raises:
            RedisError, OSError: The store is away, or something else stands in the book's place.
        """
        keys = [self._keys.gaps(tag), self._keys.accounts(tag)]
        about = (change.at, change.kind, change.status, change.product or "")
        bounds = (change.since, MOST_CHANGES)
        taken, *parts = map(
            text_of, await _fold(self._redis, keys, change.account, *about, *bounds)
        )
        each = (parts[at : at + _PARTS_OF_A_GAP] for at in range(0, len(parts), _PARTS_OF_A_GAP))
        due = tuple(
            Gap(opened, closed, product or None, plain=bool(plain))
            for opened, closed, product, plain in each
        )
        return Folded(due, taken == "late")

    async def note_announced(self, tag: str, account: str, gaps: Sequence[Gap]) -> None:
        """Note that the events of some gaps are stored.

        Raises:
            RedisError, OSError: The store is away; the gaps are announced again, by the same ids.
        """
        about = (part for gap in gaps for part in (gap.opened, gap.product or ""))
        await _announced(self._redis, [self._keys.gaps(tag)], account, *about)
