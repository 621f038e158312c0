"""Looks for undelivered events in every place where one may lie here.

The order is such that what moves on meanwhile is found: an event goes from the spool into index and
stream, so the spool is read before the streams are, and the index is asked once more at the end.
What cannot be looked at is named, and what it holds counts as not here.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from redis.asyncio import Redis

from relay.append.known import Asked, known_events
from relay.contract.connect import ResponseError, word_of
from relay.contract.keys import UNIDENTIFIED, Keys, endpoint_of, is_event_type, tags_of
from relay.contract.printable import printable
from relay.contract.registry import WrongType, known_tags, known_types
from relay.endpoint import Endpoint
from relay.reconcile.fold import Undelivered
from relay.reconcile.spooled import find_spooled
from relay.reconcile.streams import APART_MS, StreamLook, merged
from relay.rejections.accepted import acceptances_of
from relay.spool.directory import Directory


@dataclass(frozen=True, slots=True)
class ThisSide:
    """This side of the comparison.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoint: As it is configured; its secrets are not needed.
        spool: Where this machine's is, if it has one.
        now_ms: The present by the store's clock, ms since the epoch.
    """

    redis: Redis
    keys: Keys
    endpoint: Endpoint
    spool: Directory | None
    now_ms: int


@dataclass(slots=True)
class Search:
    """Finds events.

    Args:
        here: Where.
        events: Those that are looked for, by id.
        found: Those that are here: id -> whether something proves one of them.
        doubts: What could not be looked at.
    """

    here: ThisSide
    events: Mapping[str, Undelivered]
    found: dict[str, bool] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Look everywhere.

        Raises:
            RedisError, OSError: The store is away, or refuses to be asked.
        """
        if not self.events:
            return
        tags = await self._tags()
        await self._ask_index(tags)
        await self._read_spool()
        await self._read_streams(tags)
        await self._read_acceptances()
        await self._ask_index(tags)

    @property
    def _missing(self) -> dict[str, Undelivered]:
        return {name: one for name, one in self.events.items() if not self.found.get(name)}

    def _note(self, event_id: str, *, is_proved: bool) -> None:
        self.found[event_id] = self.found.get(event_id, False) or is_proved

    def _doubt(self, sentence: str) -> None:
        if sentence not in self.doubts:
            self.doubts.append(sentence)

    async def _tags(self) -> list[str]:
        """Give those that the endpoint has, and those that it had with other partitions."""
        endpoint = self.here.endpoint
        configured = tags_of(endpoint.name, endpoint.partitions)
        try:
            listed = await known_tags(self.here.redis, self.here.keys)
        except WrongType as wrong:
            self._doubt(str(wrong))
            return configured
        others = {tag for tag in listed if endpoint_of(tag) == endpoint.name}
        return [*configured, *sorted(others.difference(configured))]

    async def _ask_index(self, tags: Collection[str]) -> None:
        endpoint = self.here.endpoint
        for tag in tags:
            asked = [Asked(name, type_of(endpoint, one)) for name, one in self._missing.items()]
            answers = await known_events(
                self.here.redis, self.here.keys, tag, endpoint.window_seconds, asked
            )
            for one, known in zip(asked, answers, strict=True):
                if known.entry_id is not None:
                    self._note(one.event_id, is_proved=True)
                if known.problem:
                    self._doubt(
                        f"The dedupe index of {printable(tag, 80)} cannot be read: "
                        f"{printable(known.problem, 200)}"
                    )

    async def _read_spool(self) -> None:
        directory, missing = self.here.spool, self._missing
        if directory is None or not missing:
            return
        spooled = await asyncio.to_thread(
            find_spooled, directory, self.here.endpoint.name, frozenset(missing)
        )
        for event_id, is_proved in spooled.found.items():
            self._note(event_id, is_proved=is_proved)
        for name in spooled.unreadable:
            self._doubt(f"{printable(name, 200)} in the spool cannot be read.")

    async def _read_streams(self, tags: Collection[str]) -> None:
        missing = self._missing
        if not missing:
            return
        # The index knows nothing of ids where each counts together with its body, so what came
        # late through a spool, or by an operator, may lie anywhere behind the attempts.
        is_open = self.here.endpoint.changed_body == "store"
        stretches = merged(
            (event.first_ms, max(event.last_ms, self.here.now_ms) if is_open else event.last_ms)
            for event in missing.values()
        )
        look = StreamLook(self.here.redis, self.here.keys)
        own = {type_of(self.here.endpoint, event) for event in missing.values()}
        for tag in tags:
            types = sorted(own.union(self._other_types(), await self._known_types(tag)))
            found = await look(tag, types, stretches, missing)
            for event_id, is_proved in found.items():
                self._note(event_id, is_proved=is_proved)
        for wrong in look.wrong:
            self._doubt(str(wrong))

    async def _read_acceptances(self) -> None:
        """Find what an operator has accepted, long after it was tried, or without a proof."""
        missing, here = self._missing, self.here
        if not missing:
            return
        since_ms = min(event.first_ms for event in missing.values()) - APART_MS
        until_ms = here.now_ms + APART_MS
        try:
            accepted = await acceptances_of(
                here.redis, here.keys, here.endpoint.name, missing, since_ms, until_ms
            )
        except ResponseError as refusal:
            self._doubt(f"What operators have accepted cannot be read: {word_of(refusal)}.")
            return
        for event_id, acceptance in accepted.items():
            self._note(event_id, is_proved=acceptance.assurance != "none")

    def _other_types(self) -> Iterator[str]:
        """Give those under which an event is stored that may not have its own."""
        yield UNIDENTIFIED
        yield from (rule.to for rule in self.here.endpoint.filters if rule.to is not None)

    async def _known_types(self, tag: str) -> list[str]:
        try:
            return await known_types(self.here.redis, self.here.keys, tag)
        except WrongType as wrong:
            self._doubt(str(wrong))
            return []


def type_of(endpoint: Endpoint, event: Undelivered) -> str:
    """Give the type under which an event is stored, as far as it is the sender's to say."""
    name = endpoint.provider.event.type_names.get(event.event_type, event.event_type)
    return name if is_event_type(name) else UNIDENTIFIED
