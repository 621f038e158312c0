"""Asks sentinels where the primary is.

A service's name comes in, host and port go out, as the first sentinel tells that sees the server
up. Nothing is remembered but who answered last, so each question costs a connection.

Source: Redis, "Sentinel client spec"; docs/adr/0029.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.contract.address import Host
from relay.contract.closing import Closing

# For one sentinel, connecting included: the next one may answer at once.
ASK_SECONDS = 1.0

DOWN = frozenset({"s_down", "o_down"})


class NoPrimary(RedisConnectionError):
    """No sentinel names a primary that can be connected to."""


class Sentinels:
    """The sentinels of one service.

    Args:
        hosts: Where they are.
        service: What they call it.
        open_client: Makes a client of one sentinel.
    """

    def __init__(
        self, hosts: tuple[Host, ...], service: str, open_client: Callable[[Host], Redis]
    ) -> None:
        self._hosts = list(hosts)
        self._service = service
        self._open_client = open_client
        # Clients of questions that are over.
        self.closing = Closing()

    async def primary(self) -> Host:
        """Give the primary that the first sentinel names which sees one up.

        Raises:
            NoPrimary: None does; the message says why of each.
        """
        why = []
        for host in tuple(self._hosts):
            try:
                found = await self._ask(host)
            except (RedisError, OSError) as error:
                why.append(f"{host} {_words_for(error)}")
            else:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return found
        raise NoPrimary(f"no sentinel names a primary for {self._service}: {'; '.join(why)}")

    def doubt(self) -> None:
        """Ask the one that has answered last after all others the next time.

        It may have been cut off, and name yesterday's primary.
        """
        self._hosts.append(self._hosts.pop(0))

    async def _ask(self, host: Host) -> Host:
        client = self._open_client(host)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                reply: Any = await client.execute_command("SENTINEL", "MASTER", self._service)
        finally:
            # Neither the limit nor whoever asks no more may cut it off.
            await self.closing.close(client)
        return read_primary(reply)


def read_primary(reply: Sequence[bytes]) -> Host:
    """Read what a sentinel says of a service: names and values in turn.

    Raises:
        NoPrimary: It sees the server down.
    """
    words = [word.decode("utf-8", "replace") for word in reply]
    state = dict(zip(words[::2], words[1::2], strict=True))
    flags = set(state["flags"].split(","))
    if "master" not in flags or flags & DOWN:
        raise NoPrimary
    return Host(state["ip"], int(state["port"]))


def _words_for(error: Exception) -> str:
    match error:
        case NoPrimary():
            return "sees it down"
        case AuthenticationError() | NoPermissionError():
            return "does not take the user or the password (sentinel_username, sentinel_password)"
        case ResponseError():
            return "does not know the service"
        case _:
            return "does not answer"
