"""Runs the workers' scripts: by digest, and by text where the server does not know it yet."""

import hashlib
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from relay.contract.connect import send_command


class Script:
    """One Lua file of this package.

    Args:
        name: File name without ``.lua``.
    """

    def __init__(self, name: str) -> None:
        self.text = files("consumers").joinpath(f"{name}.lua").read_text("utf-8")
        self._sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: list[str], *arguments: str | bytes | float) -> Any:  # noqa: ANN401 - each script has its own reply
        """Run it once."""
        try:
            return await send_command(redis, "EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await send_command(redis, "EVAL", self.text, len(keys), *keys, *arguments)
