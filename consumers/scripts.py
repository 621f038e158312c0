"""Runs the workers' scripts: by digest, and by text where the server does not know it yet."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from relay.contract.connect import send_command


class Script:
    """One Lua file.

    Args:
        name: File name without ``.lua``.
        package: Where it lies.
    """

    def __init__(self, name: str, package: str = "consumers") -> None:
        self.text = files(package).joinpath(f"{name}.lua").read_text("utf-8")
        self._sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: list[str], *arguments: str | bytes | float) -> Any:  # noqa: ANN401 - each script has its own reply
        """Run it once."""
        try:
            return await send_command(redis, "EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await send_command(redis, "EVAL", self.text, len(keys), *keys, *arguments)

    async def many(
        self, redis: Redis, calls: Sequence[tuple[list[str], tuple[str | bytes | float, ...]]]
    ) -> list[Any]:
        """Run it once for each call, in their order and in one round trip.

        Args:
            redis: The client.
            calls: Keys and arguments of each.

        Returns:
            Their replies; an exception where the store refused.
        """
        replies = await self._pipelined(redis, "EVALSHA", self._sha, calls)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            # One that was unknown for the first was so for all.
            replies = await self._pipelined(redis, "EVAL", self.text, calls)
        return replies

    async def _pipelined(
        self,
        redis: Redis,
        command: str,
        script: str,
        calls: Sequence[tuple[list[str], tuple[str | bytes | float, ...]]],
    ) -> list[Any]:
        pipeline = redis.pipeline(transaction=False)
        for keys, arguments in calls:
            pipeline.execute_command(command, script, len(keys), *keys, *arguments)
        return await pipeline.execute(raise_on_error=False)
