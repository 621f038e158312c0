"""Decision in: acknowledged, parked for another attempt, or moved to the dead letters.

The only place that acknowledges. In a cluster each tag's acknowledgements go by themselves: the
tags lie on different nodes, and one that is away must not keep the entries of the others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog

from consumers.acks import AckQueue, Acks
from consumers.consumer import Consumer
from consumers.entry import HeldEntry, History, written
from consumers.lease import UNBOUNDED
from consumers.persist import passes, persist
from consumers.retry import Acknowledge, Decision, SetAside, TryAgain
from consumers.rooms import Room
from consumers.suspects.strikes import Strikes
from consumers.telling import about
from consumers.waiting.later import LATER_SECONDS, put_off
from relay.contract.cluster import is_cluster
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, word_of
from relay.contract.duties import cancel
from relay.contract.script import Call, Script
from relay.contract.stream import Stream
from relay.contract.wire import Command, Wire

HAND_BACK_BATCH = 256
DEAD_LETTERS_KEPT = 100_000
DEAD_LETTERS_KEPT_MS = 30 * 86_400_000
REFUSED_PAUSE_SECONDS = 15.0
DEAD_LETTER_FIELDS = 1000

_park = Script("consumers", "order/fenced", "waiting/park")
_dead = Script("consumers", "dead")
_log = structlog.get_logger("consumers.settle")


class Settler:
    """Stores outcomes.

    Args:
        us: Under whose name they are pending.
    """

    def __init__(self, us: Consumer) -> None:
        self._us = us
        self._wire = Wire(us.redis)
        self._acks = AckQueue(self._send_acks)
        # In a cluster, where the tags lie on different nodes.
        self._by_tag: dict[str, AckQueue] = {}
        self._in_cluster = is_cluster(us.redis)
        self._refused: set[asyncio.Task[None]] = set()
        self.on_late: Callable[[HeldEntry], None] = lambda _: None
        self.strikes = Strikes(us, self._lost)

    @property
    def us(self) -> Consumer:
        """This process, under whose name outcomes are stored."""
        return self._us

    async def settle(self, entry: HeldEntry, room: Room, decision: Decision) -> None:
        """Store what was decided, however long the store is away.

        An acknowledgement is only handed over here; the entry keeps its place until it is sent.
        """
        if entry.suspicion.runs_alone:
            await self.strikes.lift(entry)
        match decision:
            case Acknowledge():
                self.acknowledge(entry, room)
            case TryAgain():
                await self._store(entry, room, lambda: self._put_off(entry, room, decision))
            case SetAside():
                await self._store(entry, room, lambda: self._set_aside(entry, room, decision))

    async def park(self, entry: HeldEntry, delay_seconds: float, error: str | None) -> bool:
        """Let an entry wait in the store.

        Args:
            entry: Pending under this consumer.
            delay_seconds: How long.
            error: What its attempt failed with; none if it was no attempt.

        Returns:
            False where the entry is not this consumer's any more; then nothing was done.
        """
        history = None if error is None else entry.history.after(error)
        return await self._park(entry, delay_seconds, history)

    async def _put_off(self, entry: HeldEntry, room: Room, decision: TryAgain) -> None:
        """Let an entry wait where it stands, or elsewhere if that takes long.

        In an ordered stream those behind it wait for it, and it must not leave its place.
        """
        history = entry.history.after_postponing()
        if not decision.postponed:
            history = entry.history.after(decision.error)
        in_order = room.handler.order_by is not None and not entry.stream.again
        if decision.delay_seconds > LATER_SECONDS and not in_order:
            answer = await put_off(self._us, entry, decision.delay_seconds, history)
            if answer != "large":
                if self._owned(entry, stored=answer != "late"):
                    room.record.retried(entry.stream.tag, postponed=decision.postponed)
                return
        if await self._park(entry, decision.delay_seconds, history):
            room.record.retried(entry.stream.tag, postponed=decision.postponed)
        if in_order:
            # Also where that came late: it may have been stored, and the reply been lost.
            room.parked(entry, decision.delay_seconds)

    async def _park(self, entry: HeldEntry, delay_seconds: float, history: History | None) -> bool:
        keys, arguments = self._parking(entry, delay_seconds, history)
        return self._owned(entry, stored=bool(await _park(self._us.redis, keys, *arguments)))

    async def hand_back(self, entries: Sequence[HeldEntry]) -> None:
        """Park entries that were not handled, due at once: others have them within a moment.

        What the store refuses stays pending under this consumer, for others to take over.

        Raises:
            RedisError, OSError: The store is away, or a server of a cluster, when the others have
                what is theirs.
        """
        if not self._in_cluster:
            await self._hand_back(entries)
            return
        by_tag: defaultdict[str, list[HeldEntry]] = defaultdict(list)
        for entry in entries:
            by_tag[entry.stream.tag].append(entry)
        steps = (self._hand_back(some) for some in by_tag.values())
        for result in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _hand_back(self, entries: Sequence[HeldEntry]) -> None:
        handed_back = 0
        refused: dict[Stream, Exception] = {}
        for start in range(0, len(entries), HAND_BACK_BATCH):
            batch = entries[start : start + HAND_BACK_BATCH]
            calls = [self._parking(entry, 0, None) for entry in batch]
            for entry, reply in zip(batch, await _park.many(self._us.redis, calls), strict=True):
                if isinstance(reply, Exception):
                    refused[entry.stream] = reply
                else:
                    handed_back += self._owned(entry, stored=bool(reply))
        for stream, error in refused.items():
            _say_refused(stream, error)
        if handed_back:
            _log.info("entries_handed_back", entries=handed_back)

    def _parking(self, entry: HeldEntry, delay_seconds: float, history: History | None) -> Call:
        keys = [entry.stream.key, *self._books(entry, self._us.keys.park)]
        value = b"" if history is None else written(history)
        about = (entry.entry_id, entry.member, int(1000 * delay_seconds), value)
        who = (self._us.group, self._us.name)
        if not entry.lane:
            return keys, (*who, *about)
        place = (entry.stream.tag, self._us.group, entry.stream.event_type)
        keys += [self._us.keys.owner(*place), self._us.keys.lane(*place)]
        return keys, (*who, *about, str(entry.lease.fence), entry.lane_member)

    async def stop(self) -> None:
        """Give up what the store has refused; its entries stay pending for others."""
        await cancel(self._refused)
        await self.strikes.stop()

    async def close(self) -> None:
        """Give up the connection over which acknowledgements go."""
        await self._wire.close()

    async def flush(self) -> None:
        """Send every acknowledgement that waits."""
        await asyncio.gather(*(queue.flush() for queue in [self._acks, *self._by_tag.values()]))

    def acknowledge(self, entry: HeldEntry, room: Room) -> None:
        """Have an entry acknowledged with the next that are, soon; no suspect, see `settle`."""
        if self._in_cluster:
            self._acks_in(entry.stream.tag).add(entry, room)
        else:
            self._acks.add(entry, room)

    def _acks_in(self, tag: str) -> AckQueue:
        queue = self._by_tag.get(tag)
        if queue is None:
            queue = self._by_tag[tag] = AckQueue(self._send_acks_of_tag)
        return queue

    async def _send_acks(self, batch: Acks) -> None:
        """Send a batch over the one connection that is kept for it."""
        _judge(await self._wire.exchange(self._acks_of(batch)))

    async def _send_acks_of_tag(self, batch: Acks) -> None:
        """Send a batch of one tag to the node that holds it, wherever that is by now."""
        acks, books = self._sorted_out(batch)
        pipeline = self._us.redis.pipeline(transaction=bool(books))
        for command in [*acks, *books]:
            pipeline.execute_command(*command)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except ResponseError as refusal:
            # Of a transaction as a whole. Were it raised, the batch would keep its places for ever.
            replies = [refusal]
        _judge(replies)

    def _acks_of(self, batch: Acks) -> list[Command]:
        acks, books = self._sorted_out(batch)
        # Together with what the books say: an end between the two would leave that for ever.
        return [("MULTI",), *acks, *books, ("EXEC",)] if books else acks

    def _sorted_out(self, batch: Acks) -> tuple[list[Command], list[Command]]:
        """Give what acknowledges a batch, and what removes its entries from the books."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        books: defaultdict[str, list[str]] = defaultdict(list)
        lease, lost = UNBOUNDED, False
        for entry, _ in batch:
            ids[entry.stream.key].append(entry.entry_id)
            if entry.lease is not lease:  # what was read together has it in common
                lease, lost = entry.lease, entry.lease.is_lost()
            if lost or entry.history.attempts or entry.suspicion.takeovers:
                for book in self._written_in(entry):
                    books[book].append(entry.member)
        group = self._us.group
        return (
            [("XACK", key, group, *some) for key, some in ids.items()],
            [("HDEL", key, *members) for key, members in books.items()],
        )

    def _written_in(self, entry: HeldEntry) -> list[str]:
        """Name the books that may hold something of an entry."""
        about = (entry.stream.tag, self._us.group)
        # Whoever took it over may have written there, and die before it comes to settle.
        lost = entry.lease.is_lost()
        books = []
        if entry.history.attempts or lost:
            books.append(self._us.keys.attempts(*about))
        if entry.suspicion.takeovers or lost:
            books.append(self._us.keys.strikes(*about))
        return books

    async def _set_aside(self, entry: HeldEntry, room: Room, verdict: SetAside) -> None:
        history = entry.history
        if verdict.attempted:
            history = history.after(verdict.error)
        # A foreign entry may have more fields than a script can pass on.
        # One that was given again is told by the id that it had at first.
        pairs = [pair for pair in entry.fields.items() if pair[0] != b"entryid"]
        pairs = pairs[:DEAD_LETTER_FIELDS]
        fields: list[str | bytes] = [part for pair in pairs for part in pair]
        fields += ("entryid", entry.origin_id, "reason", verdict.reason)
        fields += (
            "attempts",
            str(history.attempts),
            "lasterror",
            verdict.error.encode("utf-8", "replace"),
        )
        if history.first_error:
            fields += ("firsterror", history.first_error.encode("utf-8", "replace"))
        keys = [entry.stream.key, *self._books(entry, self._us.keys.dead)]
        keys.append(self._us.keys.strikes(entry.stream.tag, self._us.group))
        arguments = (entry.entry_id, entry.member, DEAD_LETTERS_KEPT, DEAD_LETTERS_KEPT_MS, *fields)
        moved = await _dead(self._us.redis, keys, self._us.group, self._us.name, *arguments)
        if moved and moved[1]:
            _log.error("dead_letters_lost", stream=keys[1], letters=moved[1], bound="number")
        if self._owned(entry, stored=bool(moved)):
            room.record.dead_lettered(entry.stream.tag, verdict.reason)
            _log.warning(
                "event_dead_lettered",
                **about(entry),
                handler=room.handler.name,
                group=self._us.group,
                reason=verdict.reason,
                attempts=history.attempts,
            )

    def _books(self, entry: HeldEntry, book: Callable[[str, str], str]) -> list[str]:
        tag = entry.stream.tag
        return [book(tag, self._us.group), self._us.keys.attempts(tag, self._us.group)]

    def _lost(self, entry: HeldEntry) -> None:
        self.on_late(entry)

    def _owned(self, entry: HeldEntry, *, stored: bool) -> bool:
        if not stored:
            # Another worker took it over meanwhile; its outcome counts, not ours.
            _log.warning("outcome_late", **about(entry), group=self._us.group)
            self._us.record.late(entry.stream.tag)
            self.on_late(entry)
        return stored

    async def _store(
        self, entry: HeldEntry, room: Room, step: Callable[[], Awaitable[object]]
    ) -> None:
        """Take a step, and give the entry's place back; the lane does not wait for a refusal."""
        room.gives_up(entry)
        try:
            await persist(step)
        except ResponseError as error:
            _say_refused(entry.stream, error)
            self._store_aside(entry, room, step, REFUSED_PAUSE_SECONDS)
        except asyncio.CancelledError:
            # By what a handler has left behind, or at the end, which gives up what is aside.
            self._store_aside(entry, room, step, 0.0)
            raise
        else:
            room.let_go(entry)

    def _store_aside(
        self,
        entry: HeldEntry,
        room: Room,
        step: Callable[[], Awaitable[object]],
        pause_seconds: float,
    ) -> None:
        later = self._store_later(entry, room, step, pause_seconds)
        aside = asyncio.create_task(later, name="settle-later")
        self._refused.add(aside)
        aside.add_done_callback(self._refused.discard)

    async def _store_later(
        self,
        entry: HeldEntry,
        room: Room,
        step: Callable[[], Awaitable[object]],
        pause_seconds: float,
    ) -> None:
        """Try again until somebody has mended what stands in the way; the entry keeps its place."""
        while True:
            await asyncio.sleep(pause_seconds)
            pause_seconds = REFUSED_PAUSE_SECONDS
            try:
                await persist(step)
            except ResponseError:
                continue
            room.let_go(entry)
            return


def _judge(replies: list[Any]) -> None:
    """Say what was refused for good.

    Raises:
        ResponseError: The refusal passes: all of it is sent again, as acknowledgements may be.
        RedisError, OSError: A node has not answered; the same.
    """
    for reply in _each(replies):
        if isinstance(reply, UNKNOWN_OUTCOME):
            raise reply
        if isinstance(reply, ResponseError) and passes(reply):
            raise reply
        if isinstance(reply, Exception):
            _log.error("ack_refused", error=type(reply).__name__)


def _each(replies: list[Any]) -> Iterator[Any]:
    """Give every reply, also those that a transaction has given as one."""
    for reply in replies:
        if isinstance(reply, list):
            yield from reply
        else:
            yield reply


def _say_refused(stream: Stream, error: Exception) -> None:
    _log.error("settling_refused", stream=stream.key, error=word_of(error))
