"""Keeps the configured groups: created with their streams, and marked as holding them.

The mark is a consumer called ``@held`` that never reads an event. Whatever trims a stream goes by
it, since only a gateway knows the configuration. Its idle time says when a gateway last confirmed
it, so that a group that was taken out of every configuration lets go in the end.
"""

from collections.abc import Iterator, Mapping, Sequence

import structlog
from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import HELD_CONSUMER, Keys, endpoint_of
from relay.contract.patterns import Pattern

# Gateways confirm every minute. One that is being replaced, or has another configuration, must
# have had time to do so before its marks are taken off.
RELEASE_SECONDS = 3600.0

_log = structlog.get_logger("relay.hold")


def meant(groups: Mapping[str, Sequence[Pattern]], tag: str, event_type: str) -> Iterator[str]:
    """Give the names of the groups whose patterns mean a stream."""
    for group, patterns in groups.items():
        if any(pattern.matches(endpoint_of(tag), event_type) for pattern in patterns):
            yield group


class Holder:
    """Creates, marks and releases groups.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        groups: Group name -> patterns of the streams that it must not miss.
    """

    def __init__(self, redis: Redis, keys: Keys, groups: Mapping[str, Sequence[Pattern]]) -> None:
        self._redis = redis
        self._keys = keys
        self._groups = groups

    async def hold(self, tag: str, event_type: str) -> None:
        """Have a stream's configured groups, each from its first entry on, and confirm the marks.

        A stream that is gone is passed over.

        Raises:
            ResponseError: Something else stands there, or the store refuses.
        """
        stream = self._keys.stream(tag, event_type)
        for group in meant(self._groups, tag, event_type):
            try:
                await self._confirm(stream, group)
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                if await self._create(stream, group):
                    await self._confirm(stream, group)

    async def release(self, tag: str, event_type: str) -> None:
        """Take the mark off a stream's groups where no gateway has confirmed it for an hour.

        Raises:
            ResponseError: The stream is gone, or something else stands there.
        """
        stream = self._keys.stream(tag, event_type)
        configured = set(meant(self._groups, tag, event_type))
        for found in await self._redis.xinfo_groups(stream):
            group = text_of(found["name"])
            if group in configured:
                continue
            for consumer in await self._redis.xinfo_consumers(stream, group):
                is_mark = text_of(consumer["name"]) == HELD_CONSUMER
                if is_mark and consumer["idle"] >= 1000 * RELEASE_SECONDS:
                    await self._redis.xgroup_delconsumer(stream, group, HELD_CONSUMER)
                    _log.info("group_released", stream=stream, group=group)

    async def _confirm(self, stream: str, group: str) -> None:
        # Reading the mark's own entries, of which there are none: it is made if need be, also by
        # a full server, and its idle time begins anew.
        await self._redis.xreadgroup(group, HELD_CONSUMER, {stream: "0"}, count=1)

    async def _create(self, stream: str, group: str) -> bool:
        try:
            await self._redis.xgroup_create(stream, group, id="0")
        except ResponseError as error:
            if str(error).startswith("BUSYGROUP"):
                return True  # another gateway was first
            if "requires the key to exist" in str(error):
                return False
            raise
        _log.info("group_created", stream=stream, group=group)
        return True
