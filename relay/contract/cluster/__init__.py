"""A store of several servers, each with a part of the keys; and the same face where it is one.

Whoever needs a connection of its own, because it blocks or keeps one, asks which server holds a
key; everybody else sends commands to the client that `relay.contract.connect.connect` gave, and
they find their way.

Source: Redis Cluster specification; docs/adr/0027.
"""

from redis.asyncio import Redis

from relay.contract.address import Host
from relay.contract.cluster.client import ClusterRedis
from relay.contract.cluster.errors import REDIRECTED, ClusterMoving, ClusterUnknown
from relay.contract.cluster.kind import warn_of_kind
from relay.contract.cluster.slots import SlotRange, slot_of_key

__all__ = [
    "REDIRECTED",
    "ClusterMoving",
    "ClusterRedis",
    "ClusterUnknown",
    "Host",
    "address_of",
    "at",
    "is_cluster",
    "known_nodes",
    "learn",
    "look",
    "nodes",
    "ranges",
    "server_of",
    "slot_of_key",
    "twin",
    "warn_of_kind",
]


def is_cluster(redis: Redis) -> bool:
    """Tell whether a client is one of a cluster."""
    return isinstance(redis, ClusterRedis)


def at(redis: Redis, key: str | bytes) -> Redis:
    """Give the client of the one server that holds a key, as far as is known now.

    It is the same object as long as the key stays there. Its commands are not led elsewhere: what
    the server says of a key that has moved comes as an error, to be given to `learn`.

    Args:
        redis: From `connect`.
        key: Any key of the slot, whether or not it exists.

    Returns:
        A client that belongs to ``redis`` and is closed with it.

    Raises:
        ClusterUnknown: Nobody has said yet where keys are, or nobody has this one; it is asked
            for by then, and `look` waits for the answer.
    """
    if isinstance(redis, ClusterRedis):
        return redis.topology.at(slot_of_key(key))
    return redis


def server_of(redis: Redis, key: str | bytes) -> Redis | None:
    """Give the same as `at`; none where nobody is known to have the key."""
    try:
        return at(redis, key)
    except ClusterUnknown:
        return None


def nodes(redis: Redis) -> list[Redis]:
    """Give a client for each primary, in the order of their addresses; the same as `at` gives.

    Raises:
        ClusterUnknown: Nobody has said yet which there are.
    """
    return redis.topology.primaries() if isinstance(redis, ClusterRedis) else [redis]


async def known_nodes(redis: Redis) -> list[Redis]:
    """Give the same as `nodes`, asked for first where nothing is known.

    Raises:
        ClusterUnknown: None of the servers answered.
    """
    try:
        return nodes(redis)
    except ClusterUnknown:
        await look(redis)
    return nodes(redis)


def ranges(redis: Redis) -> list[SlotRange]:
    """Give what a cluster's servers said last of their slots; nothing where there is no cluster."""
    return redis.topology.ranges if isinstance(redis, ClusterRedis) else []


async def look(redis: Redis) -> None:
    """Ask the servers where the keys are, and return when it is known.

    Who asks at the same time shares the answer. Does nothing where there is no cluster.

    Raises:
        ClusterUnknown: None of them answered.
    """
    if isinstance(redis, ClusterRedis):
        await redis.topology.look()


def learn(redis: Redis, node: Redis, error: BaseException) -> bool:
    """Take note of what a server has said of a key's place, or that it is away.

    The servers are asked anew in the background, so that `at` knows soon.

    Args:
        redis: From `connect`.
        node: From `at`: whose error it is.
        error: Any.

    Returns:
        Whether the server did nothing for the reason that the key is, or will be, elsewhere: the
        command can be sent again to what `at` says then. Never where there is no cluster.
    """
    return isinstance(redis, ClusterRedis) and redis.topology.learn(node, error)


def twin(redis: Redis, node: Redis) -> Redis:
    """Give the client that ``redis`` has of the server that another client's ``node`` leads to.

    Args:
        redis: From `connect`.
        node: From `at` or `nodes` of another client of the same cluster.
    """
    return redis.topology.client(address_of(node)) if isinstance(redis, ClusterRedis) else redis


def address_of(node: Redis) -> Host:
    """Say where a client of one server leads; a socket's path is a host with port 0."""
    place = node.connection_pool.connection_kwargs
    return Host(str(place.get("host") or place.get("path", "")), int(place.get("port") or 0))
