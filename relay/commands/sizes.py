"""How long the streams are, and how much of their caps that is, for commands."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.commands.store import Store
from relay.contract.ask import Asker
from relay.contract.caps import Cap, store_bytes_of
from relay.contract.connect import ResponseError
from relay.contract.stream import Stream


@dataclass(frozen=True, slots=True)
class StreamSize:
    """One stream's size.

    Args:
        stream: Which.
        entries: How many it has.
        size_bytes: Its length as MEMORY USAGE says it; none where that may not be asked.
        cap: Its cap.
        store_bytes: What the store may use; 0 where that may not be asked.
    """

    stream: Stream
    entries: int
    size_bytes: int | None
    cap: Cap
    store_bytes: int

    @property
    def max_bytes(self) -> int | None:
        """Its cap in bytes, if there is one."""
        return self.cap.bytes_of(self.store_bytes) or None

    @property
    def fill(self) -> float:
        """How full it is: 1.0 is full."""
        return self.cap.fill(self.entries, self.size_bytes, self.store_bytes)


async def measure(store: Store, streams: Sequence[Stream]) -> list[StreamSize]:
    """Say how long streams are, in their order."""
    asker = Asker(store.redis)
    keys = [stream.key for stream in streams]
    try:
        store_bytes = store_bytes_of(await store.redis.info("memory"))
    except ResponseError:  # managed servers may not permit to ask for the memory
        store_bytes = 0
    lengths = await asker.each(keys, lambda p, at: p.xlen(keys[at]))
    sizes = await asker.each(keys, lambda p, at: p.memory_usage(keys[at]))
    caps = store.settings.stream_caps
    return [
        StreamSize(
            stream, length or 0, size, caps.of(stream.endpoint, stream.event_type), store_bytes
        )
        for stream, length, size in zip(streams, lengths, sizes, strict=True)
    ]
