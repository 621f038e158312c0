"""Reads streams of a cluster, each server for itself: one that is away holds up no other.

Many slots are read and nobody waits in each, so the servers are asked again and again.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from relay.contract.cluster import address_of, learn, server_of, slot_of_key
from relay.contract.connect import UNKNOWN_OUTCOME, text_of
from relay.contract.display import warn
from relay.contract.duties import cancel

ENTRIES_PER_READ = 100
POLL_SECONDS = 0.1

# A stream's name, and entries of it.
Batch = list[tuple[bytes, list[Any]]]


class Polling:
    """Asks every server that has some of the streams.

    Args:
        redis: A client of a cluster.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # One question at a time for each server, with what was asked.
        self._asked: dict[Redis, tuple[dict[str, str], asyncio.Task[Batch]]] = {}
        self._away: set[Redis] = set()

    async def read(self, read_to: Mapping[str, str], seconds: float) -> Batch:
        """Give what has come in some of the streams; nothing where none has come in time.

        Args:
            read_to: The last id that was read of each stream.
            seconds: How long to wait.

        Raises:
            RedisError: A server does not let this user in, or a key is no stream.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        while True:
            self._ask(read_to)
            if self._asked:
                tasks = [task for _, task in self._asked.values()]
                await asyncio.wait(tasks, timeout=POLL_SECONDS)
            batch = self._answers(read_to)
            if batch or loop.time() >= ends_at:
                return batch
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        """Ask no more."""
        tasks = [task for _, task in self._asked.values()]
        await cancel(tasks)
        for task in tasks:
            _ = task.cancelled() or task.exception()  # looked at, so not reported as lost

    def _ask(self, read_to: Mapping[str, str]) -> None:
        by_server: dict[Redis, dict[str, str]] = {}
        for key, last_id in read_to.items():
            # Where nobody has it, it is asked for by this, and read when somebody does.
            if (server := server_of(self._redis, key)) is not None:
                by_server.setdefault(server, {})[key] = last_id
        for server, streams in by_server.items():
            if server not in self._asked:
                self._asked[server] = streams, asyncio.create_task(_read(server, streams))

    def _answers(self, read_to: Mapping[str, str]) -> Batch:
        batch: Batch = []
        for server, (streams, task) in list(self._asked.items()):
            if not task.done():
                continue
            del self._asked[server]
            for name, entries in self._answer(server, task):
                # Else another server, to which it went meanwhile, was quicker.
                if streams[text_of(name)] == read_to[text_of(name)]:
                    batch.append((name, entries))
        return batch

    def _answer(self, server: Redis, task: asyncio.Task[Batch]) -> Batch:
        try:
            batch = task.result()
        except AuthenticationError:  # waiting does not help
            raise
        except Exception as error:
            is_away = isinstance(error, UNKNOWN_OUTCOME)
            if not learn(self._redis, server, error) and not is_away:
                raise
            if is_away and server not in self._away:
                self._away.add(server)
                warn(f"Redis at {address_of(server)} is away; waiting for it.")
            return []
        self._away.discard(server)
        return batch


async def _read(server: Redis, streams: Mapping[str, str]) -> Batch:
    """Read by a command for each slot."""
    by_slot: dict[int, Any] = {}
    for key, last_id in streams.items():
        by_slot.setdefault(slot_of_key(key), {})[key] = last_id
    pipeline = server.pipeline(transaction=False)
    for keys in by_slot.values():
        pipeline.xread(keys, count=ENTRIES_PER_READ)
    return [each for reply in await pipeline.execute() for each in reply or ()]
