"""Runs Lua scripts: by digest, and by text where the server does not know them yet."""

import asyncio
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from relay.contract.cluster import is_cluster, server_of
from relay.contract.connect import send_command
from relay.contract.wire import Command, Wire

# Keys and arguments of one run.
Call = tuple[Sequence[str], Sequence[str | bytes | float]]


class Script:
    """One Lua script, of one file or of several.

    Args:
        package: Where the files lie.
        names: File names without ``.lua``, in the order in which they are put together.
    """

    def __init__(self, package: str, *names: str) -> None:
        parts = (files(package).joinpath(f"{name}.lua").read_text("utf-8") for name in names)
        self.text = "\n".join(parts)
        self._sha = _digest(self.text)

    @classmethod
    def of(cls, text: str) -> "Script":
        """Make a script of a text instead of files."""
        script = cls("")
        script.text, script._sha = text, _digest(text)
        return script

    async def __call__(
        self, redis: Redis, keys: Sequence[str], *arguments: str | bytes | float
    ) -> Any:  # noqa: ANN401 - each script has its own reply
        """Run it once."""
        try:
            return await send_command(redis, "EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await send_command(redis, "EVAL", self.text, len(keys), *keys, *arguments)

    async def many(self, redis: Redis, calls: Sequence[Call]) -> list[Any]:
        """Run it once for each call, in their order and in one round trip.

        Args:
            redis: The client.
            calls: Keys and arguments of each.

        Returns:
            Their replies; an exception where the store refused.

        Raises:
            RedisError, OSError: The store is away; of a cluster a server, when the calls of the
                others have run.
        """
        if not is_cluster(redis):
            return await self._many(redis, calls)
        groups: dict[Redis | None, list[int]] = {}
        for number, (keys, _) in enumerate(calls):
            groups.setdefault(server_of(redis, keys[0]), []).append(number)
        # Each for itself: one that is away must not keep another from being given the text.
        steps = (self._many(redis, [calls[n] for n in group]) for group in groups.values())
        answers = await asyncio.gather(*steps, return_exceptions=True)
        found: dict[int, Any] = {}
        for group, answer in zip(groups.values(), answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            found |= zip(group, answer, strict=True)
        return [found[number] for number in range(len(calls))]

    async def _many(self, redis: Redis, calls: Sequence[Call]) -> list[Any]:
        replies = await _pipelined(redis, "EVALSHA", self._sha, calls)
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await _pipelined(redis, "EVAL", self.text, [calls[n] for n in unknown])
            for number, reply in zip(unknown, again, strict=True):
                replies[number] = reply
        return replies

    async def over(
        self,
        wire: Wire,
        calls: Sequence[Call],
        then: Sequence[Command] = (),
        *,
        goes_on: bool = False,
    ) -> list[Any]:
        """Do the same as `many`, over one connection that is kept.

        Args:
            wire: The connection.
            calls: Keys and arguments of each.
            then: What follows when every call has run, over the connection over which they ran.
            goes_on: The calls too must go over the connection of the last exchange.

        Returns:
            The replies to the calls, and behind them those to what follows.

        Raises:
            RedisError, OSError: The connection failed, so what was asked may have happened.
        """
        commands = [_command("EVALSHA", self._sha, call) for call in calls]
        exchange = wire.go_on if goes_on else wire.exchange
        replies = await exchange([*commands, *then] if then else commands)
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            missed = [_command("EVAL", self.text, calls[n]) for n in unknown]
            # What follows was too early the first time; it is about the calls that ran then, too.
            exchange = wire.go_on if goes_on or then else wire.exchange
            again = await exchange([*missed, *then])
            places = [*unknown, *range(len(calls), len(replies))]
            for number, reply in zip(places, again, strict=True):
                replies[number] = reply
        return replies


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _command(name: str, script: str, call: Call) -> Command:
    keys, arguments = call
    return (name, script, len(keys), *keys, *arguments)


async def _pipelined(redis: Redis, command: str, script: str, calls: Sequence[Call]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for keys, arguments in calls:
        pipeline.execute_command(command, script, len(keys), *keys, *arguments)
    return await pipeline.execute(raise_on_error=False)
