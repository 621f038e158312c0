"""Reads the relay's registry, for commands: which tags there are, and which types each has.

What something else has written in the place of a key of ours is named with its type, since the
store's own words name neither.
"""

from collections.abc import Awaitable, Iterable, Sequence

from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.errors import RelayError
from relay.contract.keys import Keys
from relay.contract.printable import printable

ADVICE = "Rename it or delete it."
REPAIR = "Rename it or delete it, then run `relay check --repair`."


class WrongType(RelayError):
    """A key of the relay holds something that is not the relay's.

    Args:
        key: Which.
        found: What stands there, as TYPE says it; empty where that may not be asked.
        wanted: What the relay keeps there.
        advice: What to do about it.
    """

    def __init__(self, key: str, found: str, wanted: str, advice: str = ADVICE) -> None:
        kind = f"is a {found}" if found else "is of another type"
        self.key = key
        self.what = f"{kind}, where the relay keeps a {wanted}: something else wrote it"
        self.advice = advice
        super().__init__(f"{printable(key)} {self.what}. {advice}")


async def known_tags(redis: Redis, keys: Keys) -> list[str]:
    """List every tag that a gateway has announced, sorted.

    Raises:
        WrongType: Something else stands there.
    """
    return await _names(redis, keys.tags, "set", redis.smembers(keys.tags))


async def known_types(redis: Redis, keys: Keys, tag: str) -> list[str]:
    """List the types that are registered in a tag, sorted.

    Raises:
        WrongType: Something else stands there.
    """
    key = keys.streams(tag)
    return await _names(redis, key, "hash", redis.hkeys(key))


async def listed_groups(redis: Redis, keys: Keys, tag: str) -> list[str]:
    """List the groups that gateways have in their configuration for a tag, sorted.

    Raises:
        WrongType: Something else stands there.
    """
    key = keys.groups(tag)
    return await _names(redis, key, "hash", redis.hkeys(key))


async def wrong_type(redis: Redis, key: str, wanted: str, advice: str = ADVICE) -> WrongType:
    """Say what stands at a key where the store has refused to read it."""
    try:
        found = text_of(await redis.type(key))
    except ResponseError:  # not permitted
        found = ""
    return WrongType(key, found, wanted, advice)


def left_out(wrong: Sequence[WrongType]) -> str:
    """Say what a list lacks because it was passed over."""
    said = "\n".join(map(str, wrong))
    return f"This could not be looked at, and nothing of it is shown:\n{said}"


def is_wrong_type(error: ResponseError) -> bool:
    """Tell whether the store refused for what stands at the key."""
    return "WRONGTYPE" in str(error)


async def _names(
    redis: Redis, key: str, wanted: str, reading: Awaitable[Iterable[bytes | str]]
) -> list[str]:
    try:
        return sorted(map(text_of, await reading))
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
    raise await wrong_type(redis, key, wanted, REPAIR)
