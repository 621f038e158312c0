"""Looks for events in the refusal log: ids in, rows of it out.

Anyone may have written any id into a body that was refused, so a row never says that an event came
from its sender: it says where to look.
"""

from collections.abc import Collection
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.contract.keys import Keys
from relay.endpoint import Endpoint
from relay.identify.places import finder_of
from relay.identify.reading import unpacked
from relay.rejections.judged import delivery_of
from relay.rejections.read import newest_rows
from relay.rejections.rejection import Rejection
from relay.verify.family import NO_CLAIM


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of the refusal log whose body has an event's id.

    Args:
        name: ``<endpoint>/<entry id>``, as `relay rejections` takes it.
        reason: Why it was refused, the stable word.
        account: Whose event its body says that it is.
    """

    name: str
    reason: str
    account: str | None


async def find_refused(
    redis: Redis, keys: Keys, endpoint: Endpoint, ids: Collection[str]
) -> dict[str, RefusedRow]:
    """Give for each id the newest row of the refusal log that has it.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoint: Whose log.
        ids: Of events.

    Raises:
        WrongType: Something else stands in the place of the log.
        RedisError, OSError: The store refuses it, or is away.
    """
    rows: dict[str, RefusedRow] = {}
    async for row in newest_rows(redis, keys, endpoint.name, with_bodies=True):
        event_id, account = _said(row, endpoint)
        if event_id is not None and event_id in ids:
            found = RefusedRow(f"{row.endpoint}/{row.id}", row.reason, account)
            rows.setdefault(event_id, found)
    return rows


def _said(row: Rejection, endpoint: Endpoint) -> tuple[str | None, str | None]:
    """Give what a row's body says of the event's id and account."""
    if row.body is None:
        return None, None
    delivery = delivery_of(row, row.body, endpoint, NO_CLAIM)
    found = finder_of(endpoint.provider).find(delivery, unpacked(row.body))
    return found[0], found[3]
