"""Composition root: builds a worker's parts, joins them, starts and stops them in order.

The only module that knows all the others, and the only one that reads the settings.
"""

import asyncio
import os
import secrets
import socket
from typing import TYPE_CHECKING

import structlog

from consumers.admin import answering
from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from consumers.crew import Crew, crew_for
from consumers.discover import POLL_SECONDS, Discovery
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.farewell import Step, take_leave
from consumers.handle import HandlerEnded
from consumers.heartbeat import Heartbeat
from consumers.here import set_here
from consumers.metrics.families import PROCESSES, WORKER
from consumers.metrics.gather import Gathering
from consumers.metrics.lag import Lag
from consumers.order.lanes import make_room
from consumers.order.own import Ownership
from consumers.order.reader import OrderedReader
from consumers.pausing import Pausing
from consumers.read import Reader
from consumers.read_by_tag import TagReaders
from consumers.readers import Readers
from consumers.rooms import House
from consumers.settings import Settings
from consumers.settle import Settler
from consumers.sources import Sources
from consumers.starting.ending import Ending
from consumers.starting.lifespan import Lifespan
from consumers.starting.matches import Matches
from consumers.starting.process import run_process
from consumers.sweep import Sweeper
from consumers.trim import Trimmer
from consumers.waiting.again import Returns
from consumers.waiting.park import Parking
from consumers.waiting.restore import Restorer
from consumers.worker import Worker
from relay.contract.cluster import is_cluster
from relay.contract.connect import connect, place_of
from relay.contract.duties import Duties, cancel
from relay.contract.errors import RelayError
from relay.contract.frames import frames
from relay.contract.script import Script
from relay.contract.tally import Tally, total

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_SECONDS = 0.5
# What resources and hooks have at the end where handlers have used the grace up.
CLOSING_SECONDS = 2.0
# How long the read that was unblocked may take to answer; it is cancelled where the store hangs.
LAST_READ_SECONDS = 2.0

_leave = Script("consumers", "leave")
_log = structlog.get_logger("consumers.app")


class WorkerFailed(RelayError):
    """Something that must not end has ended, and the process with it."""


class WorkerProcess:
    """All parts of one worker process.

    Args:
        worker: What the user declared.
        settings: What the operator wants.

    Raises:
        ConfigurationFault: The declaration is faulty.
    """

    def __init__(self, worker: Worker, settings: Settings) -> None:
        worker.check()
        url = settings.redis_url
        self._settings = settings
        self._us = us = self._consumer_of(worker, settings)
        self._lifespan = Lifespan(worker)
        self._grace_seconds = settings.worker.grace_seconds
        self._news = BlockingConnection(url, "control", POLL_SECONDS, us.keys.control)
        self._duties = Duties()
        # What brings entries in besides reading; ends with it.
        self._intake = Duties()
        house = House(worker.wrapped_handlers(), make_room)
        self._routes = Routes(house.rooms, resting=house.resting)
        self._settler = Settler(us)
        self._crews = self._counted_crews(house, settings)
        self._discovery = Discovery(self._news, us, start=worker.start, routes=self._routes)
        self._readers = Readers(url, us)
        sources = Sources(self._routes, house, self._discovery.restore_groups)
        self._reader = self._readers.shared(sources)
        self._ordered = self._ordered_reader(sources)
        house.on_room += (self._reader.room_regained, self._ordered.room_regained)
        self._discovery.on_new = self._found_streams
        self._pausing = self._obedience(house)
        matches = Matches(self._routes)
        self._discovery.on_looked = lambda: matches.say(self._discovery.types)
        self._parking = Parking(
            us, house=house, routes=self._routes, recover_soon=self._reader.recover_soon
        )
        self._restorer = Restorer(us, routes=self._routes)
        self._sweeper = Sweeper(
            us,
            house=house,
            routes=self._routes,
            may_take_over=self._heartbeat.may_take_over,
            recover_soon=self._reader.recover_soon,
        )
        self._returns = Returns(us, routes=self._routes, tags=lambda: self._discovery.tags)
        self._trimmer = self._trimmer_for(settings)
        self._readings: list[asyncio.Task[None]] = []
        self._hurried = False
        # Called once everything is open, before anything is read.
        self.on_started: Callable[[], None] = lambda: None

    def _consumer_of(self, worker: Worker, settings: Settings) -> Consumer:
        url, keys = settings.redis_url, settings.keys
        self._store = place_of(url)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._heartbeat = Heartbeat(url, keys.alive(worker.group, name))
        redis = connect(url, role="worker", connections=9)
        return Consumer(redis, keys, worker.group, name, lease=self._heartbeat.lease)

    def _ordered_reader(self, sources: Sources) -> OrderedReader:
        ownership = Ownership(self._us, self._heartbeat.may_take_over)
        self._heartbeat.on_beat = ownership.renew
        ordered = OrderedReader(self._readers.watch(), self._us, sources, ownership)
        self._settler.on_late = ordered.came_late
        return ordered

    def _counted_crews(self, house: House, settings: Settings) -> list[Crew]:
        """Make a crew for each room, and what tells how they are doing."""
        crews = [crew_for(room, self._settler, settings.log_format) for room in house.rooms]
        # Looked up only where somebody may ask.
        self._is_watched = settings.worker.admin_port is not None
        self._lag = Lag(self._us, routes=self._routes, tags=lambda: self._discovery.tags)
        self._gathering = Gathering(
            self._us,
            list(zip(crews, house.rooms, strict=True)),
            heartbeat=self._heartbeat,
            lag=self._lag,
        )
        return crews

    def _obedience(self, house: House) -> Pausing:
        def review() -> None:
            for crew in self._crews:
                crew.review()

        pausing = Pausing(
            self._us, house=house, routes=self._routes, settler=self._settler, review=review
        )
        pausing.on_change = self._paused_or_resumed
        self._discovery.before_look = pausing.look
        return pausing

    def _trimmer_for(self, settings: Settings) -> Trimmer:
        return Trimmer(
            self._us,
            retention_seconds=settings.worker.retention_seconds,
            tags=lambda: self._discovery.tags,
            may_take_over=self._heartbeat.may_take_over,
            pauses=lambda: self._pausing.pauses,
            caps=settings.stream_caps,
        )

    @property
    def consumer(self) -> str:
        """The name under which this process reads."""
        return self._us.name

    def is_live(self) -> bool:
        """Tell whether others count on this process rightly: it beats, and its loop runs."""
        return not self._heartbeat.has_ended and not self._heartbeat.is_stalled

    async def is_ready(self) -> bool:
        """Tell whether it reads, and the store has answered the last beat."""
        reads = bool(self._readings) and not any(reading.done() for reading in self._readings)
        return reads and self.is_live() and self._heartbeat.beats()

    async def tally(self) -> Tally:
        """Give all that this process has counted, and how things stand now."""
        own = Tally(gauges=[(PROCESSES.name, (), float(await self.is_ready()))])
        return total([self._gathering.tally(), own], WORKER)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then leave nothing behind.

        Args:
            stop: Set from outside; also set from inside when a handler ends the process.

        Raises:
            StartFailed: A resource or a start-up hook failed; nothing was read.
        """
        started = False
        set_here(self._settings)
        try:
            started = await self._lifespan.start(stop)
        finally:
            if not started:
                await self._disconnect()
        if started:
            await self._work(stop)

    async def _work(self, stop: asyncio.Event) -> None:
        us, store = self._us, self._store
        # With the store's place: whoever waits for one that is away must see which.
        _log.info("worker_started", group=us.group, consumer=us.name, store=store)
        self.on_started()
        self._heartbeat.start()
        self._duties.start("tick", self._tick)
        for reader in (self._reader, self._ordered):
            name = type(reader).__name__
            self._readings.append(asyncio.create_task(self._read(reader), name=name))
        self._duties.start("discover", self._discovery.run)
        self._duties.start("pausing", self._pausing.run)
        self._intake.start("park", self._parking.run)
        self._intake.start("sweep", self._sweeper.run)
        self._duties.start("later", self._returns.run)
        self._duties.start("trim", self._trimmer.run)
        if self._is_watched:
            self._duties.start("lag", self._lag.run)
        self._duties.start("restore", self._restorer.run)
        for crew in self._crews:
            crew.start(self._lifespan.resources)
        try:
            await self._watch(stop)
        finally:
            await self._stop()

    def hurry(self) -> None:
        """Give running handlers no more time: they are ended, and their entries handed back."""
        _log.warning("worker_hurried", group=self._us.group)
        self._hurried = True
        self._lifespan.hurry()
        for crew in self._crews:
            crew.hurry()

    @property
    def left_running(self) -> int:
        """How many runs of handlers go on after the end, because nothing can stop them."""
        return self._lifespan.left_running + sum(crew.left_running for crew in self._crews)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Wait for the end; a part that must not end and has takes the process with it."""
        while not stop.is_set():
            for failure in (crew.failure for crew in self._crews):
                if failure is not None:
                    raise _failed("a handler ended the worker", failure)
            for reading in self._readings:
                if reading.done() and (error := reading.exception()) is not None:
                    raise _failed("reading has ended", error)
            if self._heartbeat.has_ended:
                # Others count this process as dead soon, and would run what it runs.
                raise WorkerFailed("the heartbeat has ended")
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pass

    def _found_streams(self) -> None:
        self._reader.wake()
        self._ordered.found_streams()

    def _paused_or_resumed(self, resumed: bool) -> None:  # noqa: FBT001 - it is called with it alone
        if resumed:
            # What was pending here and not in hand was left out of the last comparison.
            self._reader.recover_soon()
        self._found_streams()

    async def _read(self, reader: Reader | TagReaders | OrderedReader) -> None:
        # An entry that is read before the first beat would look like a dead process's.
        await asyncio.to_thread(self._heartbeat.wait_for_beat)
        await reader.run()

    async def _tick(self) -> None:
        while True:
            self._heartbeat.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _stop(self) -> None:
        """Stop reading, finish what runs, send what is settled, hand the rest back, leave."""
        _log.info("worker_stopping", group=self._us.group)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._grace_seconds
        if self._readings:
            if self._heartbeat.beats():
                await asyncio.gather(self._reader.stop(), self._ordered.stop())
                await asyncio.wait(self._readings, timeout=LAST_READ_SECONDS)
            await cancel(self._readings)
        await self._intake.stop()
        left_seconds = 0.0 if self._hurried else max(0.0, deadline - clock())
        rests = await asyncio.gather(*(crew.stop(left_seconds) for crew in self._crews))
        await self._duties.stop()
        await self._settler.stop()
        rest = [entry for rest in (*rests, self._pausing.left()) for entry in rest]
        await take_leave(self._farewell(rest), in_cluster=is_cluster(self._us.redis))
        left_seconds = CLOSING_SECONDS if self._hurried else deadline - clock()
        await self._lifespan.stop(max(CLOSING_SECONDS, left_seconds))
        await asyncio.to_thread(self._heartbeat.stop)
        await self._disconnect()
        _log.info("worker_stopped", group=self._us.group)

    def _farewell(self, rest: list[HeldEntry]) -> list[list[Step]]:
        """Give the steps of the end, by stages: those of one need not wait for each other."""
        shared = [entry for entry in rest if not entry.lane]
        ordered = [entry for entry in rest if entry.lane]
        settler = self._settler
        return [
            [settler.flush, settler.strikes.withdraw],
            [lambda: settler.hand_back(shared), lambda: self._ordered.hand_back(ordered)],
            [lambda: self._ordered.give_up(ordered), self._leave_groups, self._lag.give_back],
        ]

    async def _disconnect(self) -> None:
        await self._settler.close()
        await self._ordered.aclose()
        for connection in (self._readers, self._news, self._us.redis):
            await connection.aclose()

    async def _leave_groups(self) -> None:
        who = (self._us.group, self._us.name)
        joined = self._discovery.joined.union(self._routes.streams)
        calls = [([key], who) for key in sorted(joined)]
        await _leave.many(self._us.redis, calls)


def _failed(what: str, error: BaseException) -> WorkerFailed:
    # Not the exception itself: its message may quote a payload.
    kind = str(error) if isinstance(error, HandlerEnded) else type(error).__name__
    _log.error("worker_failed", error=kind, frames=frames(error))
    return WorkerFailed(f"{what}: {kind}")


async def run_worker(worker: Worker, settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; a second one ends it at once.

    Args:
        worker: What the user declared.
        settings: What the operator wants.

    Raises:
        ConfigurationFault: The declaration is faulty.
        StartFailed: A resource or a start-up hook failed; nothing was read.
        WorkerFailed: A handler ended the process, or a part of it has ended by a fault.
        OSError: The admin listener's address is not free.
    """
    process = WorkerProcess(worker, settings)
    ending = Ending()
    ending.listen()
    async with answering(settings.worker, process):
        await run_process(process, ending)
