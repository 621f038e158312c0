"""A client of a cluster for a thread that waits for each answer, with the face of redis-py's own.

For the few commands of a heartbeat, each about one key: no pipelines, and a redirection is
followed once. Nothing whose outcome is unknown is sent again.

Source: Redis Cluster specification, "Redirection and resharding".
"""

from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis
from redis.exceptions import AskError, MovedError, RedisError

from relay.contract.address import Host
from relay.contract.cluster.errors import LOST, ClusterMoving, ClusterUnknown
from relay.contract.cluster.slots import SlotRange, place_in, read_slots, slot_of


class ThreadedClusterRedis(Redis):
    """Sends each command to the server that holds its first key.

    Args:
        seeds: Servers that are asked first where the keys are.
        make: Makes the client of one server, redis-py's retries off.
    """

    def __init__(self, seeds: Iterable[Host], make: Callable[[Host], Redis]) -> None:
        self._seeds = tuple(seeds)
        self._make = make
        self._clients: dict[Host, Redis] = {}
        self._ranges: list[SlotRange] = []
        # Who said so last.
        self._answered: Host | None = None
        # Nothing is sent over it; it says how replies are read.
        super().__init__(connection_pool=self._client(self._seeds[0]).connection_pool)

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Send a command where its key is, and give its reply.

        Raises:
            ClusterUnknown: Nobody says who has the key.
            ClusterMoving: The key is on the move; nothing was done.
            RedisError, OSError: As from a single server.
        """
        try:
            return _send(self.at(args), args, options)
        except MovedError:
            self.look()
        except AskError as error:
            return self._ask(error, args, options)
        except LOST:
            self._ranges = []  # another may have its keys by now
            raise
        try:
            return _send(self.at(args), args, options)
        except AskError as error:
            raise ClusterMoving("the key is on the move") from error

    def _ask(self, error: AskError, args: tuple[Any, ...], options: dict[str, Any]) -> Any:  # noqa: ANN401
        """Send a command for this once to who is being given its slot."""
        goal = self._client(place_in(error.host, error.port, self._seeds[0]))
        asking = goal.pipeline(transaction=False)
        asking.execute_command("ASKING")
        asking.execute_command(*args, **options)
        return asking.execute()[1]

    def at(self, command: Iterable[Any]) -> Redis:
        """Give the client of the server that a command goes to.

        Args:
            command: Its words.

        Raises:
            ClusterUnknown: Nobody says who has its key.
        """
        if not self._ranges:
            self.look()
        slot = slot_of(tuple(command))
        for each in self._ranges:
            if slot is None or each.first <= slot <= each.last:
                return self._client(each.primary)
        raise ClusterUnknown(f"no server is known to have slot {slot}")

    def primaries(self) -> list[Redis]:
        """Give a client for each server that has slots, in the order of their addresses.

        Raises:
            ClusterUnknown: Nobody says which there are.
        """
        if not self._ranges:
            self.look()
        return [self._client(host) for host in sorted({each.primary for each in self._ranges})]

    def look(self) -> None:
        """Ask the servers one after the other where the keys are, until one answers.

        Raises:
            ClusterUnknown: None does.
        """
        known = {host for each in self._ranges for host in (each.primary, *each.replicas)}
        first = [self._answered] if self._answered else []
        for host in dict.fromkeys([*first, *sorted(known), *self._clients, *self._seeds]):
            try:
                reply = _send(self._client(host), ("CLUSTER", "SLOTS"), {})
            except (RedisError, *LOST):
                continue
            if reply:  # one that was taken out of its cluster knows of nobody
                self._ranges, self._answered = read_slots(reply, host), host
                return
        raise ClusterUnknown("no server of the cluster answers")

    def close(self) -> None:
        """Close the clients of all servers."""
        for client in self._clients.values():
            client.close()

    def _client(self, host: Host) -> Redis:
        if host not in self._clients:
            self._clients[host] = self._make(host)
        return self._clients[host]


def _send(server: Redis, args: tuple[Any, ...], options: dict[str, Any]) -> Any:  # noqa: ANN401
    return server.execute_command(*args, **options)


def primaries_of(redis: Redis) -> list[Redis]:
    """Give a client for each server that has slots now; where there is no cluster, the client.

    Raises:
        ClusterUnknown: Nobody says which there are.
    """
    if not isinstance(redis, ThreadedClusterRedis):
        return [redis]
    redis.look()
    return redis.primaries()
