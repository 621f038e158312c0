"""A client of a cluster for a thread that waits for each answer, with the face of redis-py's own.

For the few commands of a heartbeat, each about one key: no pipelines, and a redirection is
followed once. Nothing whose outcome is unknown is sent again.

Source: Redis Cluster specification, "Redirection and resharding".
"""

from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError

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
        # Who is asked first where the keys are: who said so last, or has been named since.
        self._first: Host | None = None
        # Everybody who was ever told of: one of them may be all that is left.
        self._known: set[Host] = set()
        # Who is asked last: it was lost, or is cut off from the others and knows no better.
        self._suspects: set[Host] = set()
        # Nothing is sent over it; it says how replies are read.
        super().__init__(connection_pool=self._client(self._seeds[0]).connection_pool)

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Send a command where its key is, and give its reply.

        Raises:
            ClusterUnknown: Nobody says who has the key.
            ClusterMoving: The key is on the move; nothing was done.
            RedisError, OSError: As from a single server.
        """
        server = self.at(args)
        try:
            return _send(server, args, options)
        except MovedError as error:
            # Whoever has given the key away, or said last where it is, may go on as before.
            self._first = place_in(error.host, error.port, self._seeds[0])
            self.look()
        except AskError as error:
            return self._ask(error, args, options)
        except (ClusterDownError, *LOST):
            self._doubt(server)
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
        self._ranges = []
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
        first = [self._first] if self._first else []
        last = [each.primary for each in self._ranges]
        hosts = dict.fromkeys([*first, *last, *self._seeds, *sorted(self._known)])
        for host in sorted(hosts, key=self._suspects.__contains__):
            try:
                reply = _send(self._client(host), ("CLUSTER", "SLOTS"), {})
            except (RedisError, *LOST):
                self._suspects.add(host)
                continue
            self._suspects.discard(host)
            if reply:  # one that was taken out of its cluster knows of nobody
                self._ranges, self._first = read_slots(reply, host), host
                self._known |= {
                    at for each in self._ranges for at in (each.primary, *each.replicas)
                }
                return
        raise ClusterUnknown("no server of the cluster answers")

    def _doubt(self, server: Redis) -> None:
        """Have the others asked where the keys are, before the next command is sent."""
        self._ranges = []
        self._suspects |= {host for host, client in self._clients.items() if client is server}

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
