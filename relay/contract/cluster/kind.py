"""Says where a URL and the kind of the store do not fit together: nothing would work for long."""

from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from relay.contract.cluster.client import ClusterRedis
from relay.contract.logs import Logger

_log = Logger("relay.cluster")

TO_CLUSTER = "write the URL as redis+cluster://host:port"
TO_SERVER = "write the URL as redis://host:port"


async def warn_of_kind(redis: Redis) -> None:
    """Say in the log what the URL should be, if it is of the wrong kind.

    Args:
        redis: From `relay.contract.connect.connect`.

    Raises:
        RedisError, OSError: The store is away, so it is not known.
    """
    if isinstance(redis, ClusterRedis):
        try:
            await redis.topology.look()
        except ResponseError:
            _log.error("store_is_no_cluster", advice=TO_SERVER)
        return
    with suppress(ResponseError):  # not permitted
        facts: Any = await redis.info("cluster")
        if facts.get("cluster_enabled"):
            _log.error("store_is_a_cluster", advice=TO_CLUSTER)
