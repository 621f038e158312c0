"""What the benchmark knows of a contender: its process, where it listens, what it stores."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.deliveries import Shape
from bench.processes import Program
from bench.store import Store


@dataclass(frozen=True, slots=True)
class Contender:
    """One running server with its own store.

    Args:
        name: ``A``, ``B``, ``C``, ``D everysec``, …
        program: The process that was started; it may have children.
        port: Where it takes deliveries on loopback.
        store: Its Redis; none for one that stores nothing.
        streams: Pattern of the keys of its streams.
        endpoints: How many it has, each with the secret that `bench.deliveries` signs with.
        sender: Whose deliveries they take.
    """

    name: str
    program: Program
    port: int
    store: Store | None = None
    streams: str = ""
    endpoints: int = 1
    sender: str = "unipile"

    @property
    def usual(self) -> Shape:
        """What is sent to it where nothing else is said."""
        return Shape(endpoints=self.endpoints, sender=self.sender)

    def event_ids(self) -> Iterator[bytes]:
        """Give the event id of every entry that is stored."""
        if self.store:
            for stream in self.store.streams(self.streams):
                yield from self.store.event_ids(stream)
