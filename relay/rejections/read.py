"""Reads the refusal log, for commands: the newest rows first, without their bodies, or one whole.

A row may have 256 KiB, so a look takes few at a time and leaves what they hold at the store.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import Keys
from relay.contract.registry import is_wrong_type, wrong_type
from relay.contract.script import Script
from relay.rejections.log import KEEP_MS
from relay.rejections.rejection import Rejection, read_rejection

# Of 256 KiB at most: the store has copied them within 10 ms.
ROWS_PER_LOOK = 8

_ENTRY_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,15}", re.ASCII)

_list = Script("relay.rejections", "list")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What list.lua is asked for."""

    newest: str = "+"
    most: int = ROWS_PER_LOOK
    request_id: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Looked:
    rows: list[Rejection]
    last: str


async def newest_rows(
    redis: Redis, keys: Keys, endpoint: str, *, request_id: str = "", with_bodies: bool = False
) -> AsyncIterator[Rejection]:
    """Give the rows of an endpoint's log, the newest first.

    What is older than a day is not given, and neither is what is not of our form.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoint: Whose log.
        request_id: Only those that were answered with this id; empty for all.
        with_bodies: Each with its body, where it was kept.

    Raises:
        WrongType: Something else stands in the place of a log.
        RedisError, OSError: The store refuses it, or is away.
    """
    newest = "+"
    while newest:
        look = _Look(newest=newest, request_id=request_id, whole=with_bodies)
        looked = await _look(redis, keys, endpoint, look)
        for row in looked.rows:
            yield row
        newest = f"({looked.last}" if looked.last else ""


async def read_row(redis: Redis, keys: Keys, endpoint: str, entry_id: str) -> Rejection | None:
    """Give one row with its body; none where there is none, or none any more.

    Raises:
        WrongType: Something else stands in the place of a log.
        RedisError, OSError: The store refuses it, or is away.
    """
    if not is_entry_id(entry_id):
        return None
    looked = await _look(redis, keys, endpoint, _Look(newest=entry_id, most=1, whole=True))
    return next((row for row in looked.rows if row.id == entry_id), None)


async def rows_of_request(
    redis: Redis, keys: Keys, endpoints: Sequence[str], request_id: str
) -> list[Rejection]:
    """Give the rows, with their bodies, that were answered with an id.

    Raises:
        WrongType: Something else stands in the place of a log.
        RedisError, OSError: The store refuses it, or is away.
    """
    found = []
    for endpoint in endpoints:
        async for row in newest_rows(redis, keys, endpoint, request_id=request_id):
            whole = await read_row(redis, keys, endpoint, row.id)
            found += [] if whole is None else [whole]
    return found


def is_entry_id(text: str) -> bool:
    """Tell whether a text may be the id of a row."""
    return _ENTRY_ID.fullmatch(text) is not None


async def _look(redis: Redis, keys: Keys, endpoint: str, look: _Look) -> _Looked:
    arguments = (look.newest, look.most, KEEP_MS, look.request_id, "1" if look.whole else "")
    key = keys.rejected(endpoint)
    try:
        last, *entries = await _list(redis, [key], *arguments)
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
        raise await wrong_type(redis, key, "stream") from None
    rows = []
    for entry_id, fields in entries:
        pairs = dict(zip(fields[::2], fields[1::2], strict=False))
        row = read_rejection(endpoint, text_of(entry_id), pairs)
        rows += [] if row is None else [row]
    return _Looked(rows, text_of(last))
