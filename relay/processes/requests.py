"""Hears on the control stream who wants the gateway to reload, and answers there.

The parent has a connection of its own for it, since no child can reload its neighbours. Where the
store is away, or lets nobody listen, only this way to ask is gone: SIGHUP needs no store.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from relay.contract.cluster import at
from relay.contract.connect import RedisError, ResponseError, connect, text_of, word_of
from relay.contract.duties import Duties
from relay.contract.keys import Keys
from relay.contract.reload import (
    Outcome,
    ReloadAnswer,
    ReloadRequest,
    answer_reload,
    last_news,
    read_request,
)

BLOCK_SECONDS = 10.0
# A user who may not listen is one by mistake or on purpose; neither changes within a minute.
REFUSED_SECONDS = 60.0
# One that changes its role, or the server that has the stream, refuses what waits; not for long.
CHANGED_SECONDS = 0.5
ENTRIES_PER_READ = 100
DUTY = "hear-reloads"

_log = structlog.get_logger("relay.processes")


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests are heard.

    Args:
        url: The store's, password included.
        keys: Makes the keys.
    """

    url: str = field(repr=False)
    keys: Keys

    def connect(self, *, block_seconds: float = 0.0) -> Redis:
        """Make a client for it."""
        return connect(self.url, role="reload", block_seconds=block_seconds)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was heard and is to be answered.

    Args:
        request: The request's name.
        gateway: Ours.
        place: Where it was heard; by the time of the answer we may listen elsewhere.
    """

    request: str
    gateway: str
    place: Place

    async def answer(self, outcome: Outcome, faults: tuple[str, ...] = ()) -> None:
        """Say what became of it; who cannot be reached waits in vain, and says so."""
        answer = ReloadAnswer(
            self.request, self.gateway, socket.gethostname(), os.getpid(), outcome, faults
        )
        redis = self.place.connect()
        try:
            await answer_reload(redis, self.place.keys, answer)
        except (RedisError, OSError) as error:
            _log.warning("reload_unanswered", outcome=outcome, error=word_of(error))
        finally:
            await redis.aclose()


class Requests:
    """Hears requests, at one place at a time.

    Args:
        wish: Is given each.
    """

    def __init__(self, wish: Callable[[Asked], None]) -> None:
        self._wish = wish
        self._gateway = secrets.token_hex(4)
        self._place: Place | None = None
        self._duties = Duties()
        self._is_refused = False

    async def listen_at(self, url: str, keys: Keys) -> None:
        """Listen there from now on; what was asked before is for nobody's ears."""
        place = Place(url, keys)
        if place == self._place:
            return
        await self.stop()
        self._place = place
        ear = _Ear(place, self._heard)
        self._duties.start(DUTY, lambda: self._listen(ear))

    async def stop(self) -> None:
        """Listen no more; may be called twice, and before the start."""
        self._place = None
        await self._duties.stop()

    async def _listen(self, ear: "_Ear") -> None:
        while True:
            try:
                await ear.listen()
            except ResponseError as error:
                await asyncio.sleep(self._pause_seconds(error))

    def _pause_seconds(self, error: ResponseError) -> float:
        """Say how long to wait after a refusal; where it stays one, tell so once."""
        if not isinstance(error, NoPermissionError) and not str(error).startswith("WRONGTYPE"):
            return CHANGED_SECONDS
        if not self._is_refused:
            _log.warning("reloads_unheard", error=word_of(error))
        self._is_refused = True
        return REFUSED_SECONDS

    async def _heard(self, place: Place, request: ReloadRequest) -> None:
        asked = Asked(request.name, self._gateway, place)
        # First, so that "begun" is never said after what became of it.
        await asked.answer("begun")
        self._wish(asked)


class _Ear:
    """Reads the control stream of one place, and knows how far.

    Args:
        place: Which.
        heard: Is given what counts.
    """

    def __init__(self, place: Place, heard: Callable[[Place, ReloadRequest], Any]) -> None:
        self._place = place
        self._heard = heard
        # From the first connection on; kept over others, so that a lost one costs no request.
        self._read_to: str | None = None

    async def listen(self) -> None:
        """Read until it fails.

        The read may be broken off: without a group it changes nothing in the store, and its
        connection is closed then.

        Raises:
            RedisError, OSError: The store is away, or refuses.
        """
        redis = self._place.connect(block_seconds=BLOCK_SECONDS)
        try:
            if self._read_to is None:
                self._read_to = await last_news(redis, self._place.keys)
            while True:
                await self._read(redis)
        finally:
            await redis.aclose()

    async def _read(self, redis: Redis) -> None:
        control = self._place.keys.control
        asked: Any = {control: self._read_to}
        batch: Any = await redis.xread(
            asked, count=ENTRIES_PER_READ, block=round(1000 * BLOCK_SECONDS)
        )
        for _, entries in batch or []:
            for entry_id, fields in entries:
                self._read_to = text_of(entry_id)
                await self._look_at(redis, self._read_to, fields or {})

    async def _look_at(self, redis: Redis, entry_id: str, fields: Mapping[bytes, bytes]) -> None:
        request = read_request(fields)
        if request is None:
            return
        # Of a cluster the server that made the id: the others have clocks of their own.
        seconds, microseconds = await at(redis, self._place.keys.control).time()
        age_seconds = seconds + microseconds / 1e6 - int(entry_id.partition("-")[0]) / 1000
        if age_seconds <= request.seconds:
            await self._heard(self._place, request)
