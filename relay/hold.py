"""Keeps the configured groups: told to whoever trims, and created with their streams.

Source: docs/adr/0011.
"""

import structlog
from redis.asyncio import Redis

from relay.contract.connect import text_of
from relay.contract.held import HeldGroups, meant, written
from relay.contract.keys import Keys
from relay.contract.script import Script

# Gateways confirm every minute. One that is being replaced, or has another configuration, must
# have had time to do so before its groups are let go.
RELEASE_SECONDS = 3600.0

_confirm = Script("relay", "confirm")
_join = Script("relay.contract", "join")
_log = structlog.get_logger("relay.hold")


class Holder:
    """Confirms, creates and lets go groups.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        groups: Group name -> patterns of the streams that it must not miss.
    """

    def __init__(self, redis: Redis, keys: Keys, groups: HeldGroups) -> None:
        self._redis = redis
        self._keys = keys
        self._groups = groups

    async def confirm(self, tag: str, *, release: bool = False) -> None:
        """Tell the tag's groups: nothing is trimmed that they have not settled.

        Args:
            tag: Whose streams.
            release: Also let go of those that no gateway has confirmed for an hour.

        Raises:
            ResponseError: The store refuses.
        """
        key = self._keys.groups(tag)
        arguments: list[str | bytes | int] = [int(1000 * RELEASE_SECONDS) if release else 0]
        for group, patterns in self._groups.items():
            arguments += [group, written(patterns)]
        for group in await _confirm(self._redis, [key], *arguments):
            _log.info("group_released", tag=tag, group=text_of(group))

    async def create(self, tag: str, event_type: str) -> None:
        """Have a stream's configured groups, each from its first entry on.

        A stream that is gone is passed over, and so is what is no stream.

        Raises:
            ResponseError: The store refuses.
        """
        stream = self._keys.stream(tag, event_type)
        for group in meant(self._groups, tag, event_type):
            if await _join(self._redis, [stream], group, "0") == b"made":
                _log.info("group_created", stream=stream, group=group)
