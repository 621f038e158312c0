"""Knows which streams are full.

Caps in entries are given as the append script takes them; those in bytes are watched.
Asks for nothing but the store's memory while all of it is less than the smallest cap. A stream at
its cap in bytes takes no new event, but the script is still asked whether it knows the event; or
its oldest entries are dropped, where the operator wants that.

Source: docs/adr/0028.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache

import structlog
from redis.asyncio import Redis

from relay.append import StreamLimits
from relay.append.drop import drop_to
from relay.caps.report import CapReport
from relay.caps.sizes import SHORTEST_SECONDS, Sizes
from relay.contract.caps import MAX_STREAMS, PRESSED_RATIO, Cap, Caps, store_bytes_of
from relay.contract.cluster import is_cluster, known_nodes, server_of
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of, word_of
from relay.contract.keys import UNIDENTIFIED, Keys, endpoint_of
from relay.contract.stream import Stream

POLL_SECONDS = 0.2
# While all of the store is less than a quarter of what would make it worth a closer look.
CALM_SECONDS = 1.0
CALM_PART = 0.25
# Types that another gateway has registered are found at latest then.
RELIST_SECONDS = 5.0
# What is dropped at once where a stream is too long, so that it is not at every look.
DROP_PART = 0.05

_log = structlog.get_logger("relay.caps")


class StreamCaps(StreamLimits):
    """Says what single streams take.

    Args:
        redis: Client for looking, not the one that appends.
        keys: Makes the keys.
        tags: Whose streams.
        caps: How much they may hold.
        report: Is told what is full and what is dropped.
    """

    def __init__(
        self, redis: Redis, keys: Keys, *, tags: Sequence[str], caps: Caps, report: CapReport
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._tags = tags
        self._caps = caps
        self.report = report
        self._closed: set[Stream] = set()
        self._streams: list[Stream] = []
        self._listed_at: float | None = None
        self._sizes = Sizes()
        self._last = 0.0, 0
        self._pause = POLL_SECONDS
        self._warned: set[str] = set()
        self._known = lru_cache(MAX_STREAMS)(self._limits)
        self.is_needed = caps.bounds_entries

    @property
    def closed(self) -> int:
        """How many streams take nothing, since they are as long as they may be."""
        return len(self._closed)

    def registered(self, tag: str, event_type: str) -> None:
        """Take note of a new stream."""
        del tag, event_type
        self._listed_at = None

    async def watch(self) -> None:
        """Look seldom while little is stored, and oftener where something fills up quickly."""
        while True:
            try:
                await self.look()
            except UNKNOWN_OUTCOME:
                # Another store may come back in its place.
                self._close(set())
                raise
            except ResponseError as error:
                self._close(set())
                self._warn_once(f"INFO and MEMORY USAGE are needed: {word_of(error)}")
            self.report.flush()
            await asyncio.sleep(self._pause)

    async def look(self) -> None:
        """Ask the store once."""
        used_bytes, store_bytes = await self._memory()
        now = asyncio.get_running_loop().time()
        (before, last), self._last = self._last, (now, used_bytes)
        growth = max(0.0, (used_bytes - last) / max(now - before, 0.001)) if before else 0.0
        least = PRESSED_RATIO * self._caps.least_bytes(store_bytes)
        self._pause = CALM_SECONDS if used_bytes < CALM_PART * least or not least else POLL_SECONDS
        if not least or used_bytes < least:
            self._close(set())
            if growth:
                self._hurry((least - used_bytes) / growth / 4)
            return
        await self._list(now)
        await self._look_at_streams(store_bytes, growth, now)

    async def _memory(self) -> tuple[int, int]:
        """Say how much the store uses and may use; of a cluster the fullest, and the smallest."""
        asked = (node.info("memory") for node in await known_nodes(self._redis))
        found = await asyncio.gather(*asked, return_exceptions=True)
        each = [memory for memory in found if not isinstance(memory, BaseException)]
        for problem in found:
            # Of those that are away the others' streams are no fuller and no emptier.
            if isinstance(problem, BaseException) and not (
                each and isinstance(problem, UNKNOWN_OUTCOME)
            ):
                raise problem
        used_bytes = max(int(memory["used_memory"]) for memory in each)
        return used_bytes, min(map(store_bytes_of, each))

    async def _look_at_streams(self, store_bytes: int, growth: float, now: float) -> None:
        bounded = [(each, self._cap(each).bytes_of(store_bytes)) for each in self._streams]
        bounded = [(stream, cap_bytes) for stream, cap_bytes in bounded if cap_bytes]
        due = [
            stream
            for stream, cap_bytes in bounded
            if (size := self._sizes.of(stream)).at is None
            or now >= size.at + size.seconds_left(cap_bytes, growth)
        ]
        await self._sizes.measure(self._redis, due, now)
        full = {
            stream: cap_bytes
            for stream, cap_bytes in bounded
            if self._sizes.of(stream).size_bytes >= cap_bytes
        }
        self._close({each for each in full if self._cap(each).on_full == "reject"})
        await self._drop_from({each: full[each] for each in full.keys() - self._closed})
        for stream, cap_bytes in bounded:
            if stream not in full:
                self._hurry(self._sizes.of(stream).seconds_left(cap_bytes, growth))

    async def _drop_from(self, full: dict[Stream, int]) -> None:
        """Drop the oldest entries of streams that are at their caps."""
        away: set[Redis | None] = set()
        for stream, cap_bytes in sorted(full.items()):
            server = server_of(self._redis, stream.key)
            # Each of its streams would be waited for as long as the first.
            if server in away:
                continue
            if not await self._drop(stream, int((1 - DROP_PART) * cap_bytes)):
                away.add(server)

    async def _drop(self, stream: Stream, keep_bytes: int) -> bool:
        """Drop from one, and tell whether its server has answered."""
        try:
            dropped = await drop_to(self._redis, stream, keep_bytes)
        except ResponseError as error:
            # Something else stands there, or a full store is in the way.
            self._warn_once(f"{stream.key} cannot be dropped from: {word_of(error)}")
        except UNKNOWN_OUTCOME:
            if not is_cluster(self._redis):
                raise
            return False
        else:
            self.report.dropped(stream.tag, dropped)
        return True

    def _hurry(self, seconds: float) -> None:
        """Look again as soon as that."""
        self._pause = min(self._pause, max(SHORTEST_SECONDS, seconds))

    async def _list(self, now: float) -> None:
        """Learn which streams there are."""
        if self._listed_at is not None and now < self._listed_at + RELIST_SECONDS:
            return
        self._listed_at = now
        found: list[Stream] = []
        away: set[Redis | None] = set()
        unheard: set[str] = set()
        for tag in self._tags:
            key = self._keys.streams(tag)
            server = server_of(self._redis, key)
            if server in away:
                unheard.add(tag)
                continue
            try:
                names = await self._redis.hkeys(key)
            except ResponseError as error:
                self._warn_once(f"the streams of {tag} cannot be listed: {word_of(error)}")
                continue
            except UNKNOWN_OUTCOME:
                if not is_cluster(self._redis):
                    raise
                away.add(server)
                unheard.add(tag)
                continue
            types = {UNIDENTIFIED, *map(text_of, names)}
            found += [Stream(tag, each, self._keys.stream(tag, each)) for each in sorted(types)]
        # Of those on a server that is away nothing new is known.
        found += [stream for stream in self._streams if stream.tag in unheard]
        self._streams = found
        self._sizes.keep(found)

    def _cap(self, stream: Stream) -> Cap:
        return self._caps.of(stream.endpoint, stream.event_type)

    def _close(self, full: set[Stream]) -> None:
        """Have these streams, and no others, take nothing."""
        if full == self._closed:
            return
        for stream in sorted(full - self._closed):
            self.report.closed(stream.key)
        for stream in sorted(self._closed - full):
            self.report.opened(stream.key)
        self._closed = full
        self._known.cache_clear()
        self.is_needed = self._caps.bounds_entries or bool(full)

    def of(self, tag: str, event_type: str) -> str:
        """Give the limits of a stream, and of ``unidentified``, as caps.lua reads them."""
        return self._known(tag, event_type)

    def _limits(self, tag: str, event_type: str) -> str:
        own, other = self._limit(tag, event_type), self._limit(tag, UNIDENTIFIED)
        return "" if own == other == "0" else f"{own} {other}"

    def _limit(self, tag: str, event_type: str) -> str:
        if Stream(tag, event_type, self._keys.stream(tag, event_type)) in self._closed:
            return "full"
        cap = self._caps.of(endpoint_of(tag), event_type)
        if cap.max_entries is None:
            return "0"
        return str(cap.max_entries if cap.on_full == "reject" else -cap.max_entries)

    def _warn_once(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("caps_unwatched", what=what)
