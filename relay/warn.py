"""Warns of a store that would lose or refuse what it has confirmed, each time one is met.

At the start, after each trouble, and once a minute the store is asked; what was said of the same
server already is not said again.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog
from redis.asyncio import Redis

from relay.contract import cluster
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of
from relay.finding import Finding
from relay.judge import (
    NOT_PERMITTED,
    SETTINGS,
    Facts,
    judge_bound,
    judge_keeping,
    judge_replicas,
    judge_role,
)

if TYPE_CHECKING:
    from relay.contract.address import Host

LOOK_SECONDS = 60.0

_log = structlog.get_logger("relay.warn")


class Warnings:
    """Knows what was said of which server.

    Args:
        redis: Client with redis-py's retries off.
        replicas: How many must confirm an event, 0 for none.
    """

    def __init__(self, redis: Redis, replicas: int) -> None:
        self._redis = redis
        self._replicas = replicas
        # Of each address the server that was met there; and what was looked at -> how it was.
        self._servers: dict[Host, str] = {}
        self._said: dict[Host, dict[str, str]] = {}
        self._wake = asyncio.Event()

    def connected(self) -> None:
        """The store answers again; it may be another one."""
        self._wake.set()

    async def run(self) -> None:
        """Look at start, when there was trouble, and every minute."""
        while True:
            self._wake.clear()
            await self.look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Ask the store once, of a cluster each server, and say what is new.

        Raises:
            RedisError, OSError: It is away, or the last of several that are.
        """
        problem: Exception | None = None
        for node in await cluster.known_nodes(self._redis):
            try:
                await self._look_at(node)
            except UNKNOWN_OUTCOME as error:  # the others are looked at all the same
                problem = error
        if problem is not None:
            raise problem

    async def _look_at(self, node: Redis) -> None:
        info, host = await read_info(node), cluster.address_of(node)
        server = str((info or {}).get("run_id", ""))
        if server != self._servers.get(host):
            self._servers[host], self._said[host] = server, {}
        said = self._said[host]
        where = f"{host}: " if cluster.is_cluster(self._redis) else ""
        for finding in self._judge(info, await read_settings(node)):
            if finding.state not in {"ok", said.get(finding.what)}:
                _say(finding, where)
            said[finding.what] = finding.state

    def _judge(self, info: Facts | None, config: Facts | None) -> list[Finding]:
        found = judge_keeping(info, config)
        if info is None:
            return found
        more = [judge_role(info), judge_bound(info)]
        if self._replicas:
            more.append(judge_replicas(info, config, self._replicas))
        return found + [finding for finding in more if finding is not None]


async def read_info(redis: Redis) -> Facts | None:
    """Give all of INFO; none where it is not permitted."""
    try:
        return dict(await redis.info())
    except ResponseError:
        return None


async def read_settings(redis: Redis, *more: str) -> Facts | None:
    """Give what CONFIG GET says of the settings that are judged; none where it is not permitted.

    Args:
        redis: The client.
        more: Settings beside them.
    """
    facts: dict[str, str] = {}
    try:
        # One by one: several names in one call came with Redis 7.
        for name in (*SETTINGS, *more):
            held = await redis.config_get(name)
            facts |= {text_of(key or ""): text_of(value or "") for key, value in held.items()}
    except ResponseError:
        return None
    return facts


def _say(finding: Finding, where: str) -> None:
    if finding.found.startswith(NOT_PERMITTED):
        # Many providers let nobody ask, and keep well what they keep.
        _log.info("store_not_judged", command=finding.what, advice=finding.advice)
        return
    found = where + finding.found
    _log.warning("store_at_risk", what=finding.what, found=found, advice=finding.advice)
