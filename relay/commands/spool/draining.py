"""Drains what dead gateways have left on this machine, for ``relay spool drain``."""

import asyncio
import time
from collections.abc import Callable

from redis.asyncio import Redis

from relay.announce import Announcer
from relay.append import Observer
from relay.append.spread import make_appender
from relay.capacities import make_capacity
from relay.commands.spool.settings import SpoolSettings
from relay.commands.store import Store, opened
from relay.contract.cluster import is_cluster
from relay.contract.config import replicas_of
from relay.contract.connect import UNKNOWN_OUTCOME
from relay.contract.duties import Duties
from relay.contract.explain import explain
from relay.contract.logs import configure_logs
from relay.contract.printable import printable
from relay.hold import Holder
from relay.metrics import Metrics
from relay.spool.asking import Asking
from relay.spool.breaker import Breakers
from relay.spool.directory import Directory
from relay.spool.drain import Drain
from relay.spool.look_up import LookUp
from relay.spool.spool import Spool
from relay.spool.status import look

# Without anything going for so long it is left to the next gateway.
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.05
TELL_SECONDS = 1.0

Tell = Callable[[str], None]


class _Reports(Observer):
    """Tells the breakers of a server that fails, and the announcer of new streams."""

    def __init__(self, breakers: Breakers, announcer: Announcer) -> None:
        self._breakers = breakers
        self._announcer = announcer

    def failed(self, give_up: Callable[[], None], server: Redis) -> None:
        self._breakers.open(server)
        give_up()

    def registered(self, tag: str, event_type: str) -> None:
        self._announcer.registered(tag, event_type)


async def drain_orphans(directory: Directory, settings: SpoolSettings, tell: Tell) -> bool:
    """Drain every file that no living process holds, and tell whether nothing is left in them.

    Raises:
        RedisError, OSError: The store is away.
    """
    configure_logs(settings.log_format, log_level="error")
    spool = Spool(directory, max_bytes=settings.spool.max_bytes)
    await spool.adopt()
    total = spool.events
    try:
        if total:
            async with opened(settings) as store:
                # Of a cluster any server will do; each stream finds its own.
                await store.redis.ping()
                await _drain(spool, store, replicas_of(settings.durability), tell)
    finally:
        left = spool.events
        await spool.finish()
    tell(f"{total - left} events drained, {left} left")
    return not _tell_of_others(directory, tell) and not left


def _tell_of_others(directory: Directory, tell: Tell) -> bool:
    """Say what was not touched, and tell whether there is a file that nobody can read."""
    files = look(directory)
    held = [file for file in files if file.state == "held" and file.events]
    if held:
        events = sum(file.events for file in held)
        tell(f"{events} events are held by {len(held)} living processes, which drain them")
    unreadable = [file.name for file in files if file.state == "unreadable"]
    for name in unreadable:
        why = "damaged, no spool file, or not for this user"
        tell(f"{printable(name)} cannot be read: {why}; it is left as it is")
    return bool(unreadable)


async def _drain(spool: Spool, store: Store, replicas: int, tell: Tell) -> None:
    redis, keys, duties = store.redis, store.keys, Duties()
    breakers = Breakers(lambda tag: appender.server_of(tag))  # noqa: PLW0108 - made below
    tags = sorted({tag for tag, _ in spool.backlog.streams})
    announcer = Announcer(redis, keys, tags, Holder(redis, keys, store.settings.held_groups))
    capacity = make_capacity(redis, Metrics())
    appender = make_appender(
        redis,
        keys,
        tags=tags,
        is_full_at=capacity.is_full_at,
        observer=_Reports(breakers, announcer),
        replicas=replicas,
    )
    find = LookUp(redis, keys, replicas)
    drain = Drain(spool, appender.append, find, breakers, spread=is_cluster(redis))
    duties.start("capacity", capacity.watch)
    duties.start("spool-ask", Asking(breakers, appender.probe_server).run)
    try:
        await _until_over(spool, drain, tell)
        await _announce(announcer, redis)
    finally:
        await duties.stop()
        await appender.stop()
    breakers.close_all()
    for (tag, event_type), reason in drain.held_up.reasons.items():
        events = spool.backlog.count((tag, event_type))
        tell(f"{printable(tag)}:{printable(event_type)}: {events} left, Redis says {reason}")
    if drain.sendable and drain.problem is not None:
        tell(f"Redis does not take what is left: {_words_for(drain.problem)}; see `relay check`")


def _words_for(problem: BaseException) -> str:
    explanation = explain(problem)
    return explanation.message.rstrip(".") if explanation else type(problem).__name__


async def _announce(announcer: Announcer, redis: Redis) -> None:
    """Make new streams known; what a server that is away keeps from it the next gateway does.

    Raises:
        RedisError, OSError: The store is away, and is no cluster.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS if is_cluster(redis) else None):
            await announcer.refresh()
    except UNKNOWN_OUTCOME:
        if not is_cluster(redis):
            raise


async def _until_over(spool: Spool, drain: Drain, tell: Tell) -> None:
    moved_at = told_at = time.monotonic()
    while spool.events and time.monotonic() - moved_at < PATIENCE_SECONDS:
        if not drain.is_vain and await drain.round():
            moved_at = time.monotonic()
        else:
            await asyncio.sleep(PAUSE_SECONDS)
        if time.monotonic() - told_at > TELL_SECONDS:
            told_at = time.monotonic()
            tell(f"{spool.events} events to go")
