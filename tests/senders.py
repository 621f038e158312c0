"""Senders of signed deliveries: each event's intent is on disk before it is sent, its 200 after.

An event is sent again until it is answered 200 or its sender gives up; what was answered is sent
once more now and then, as real senders do, where that is asked for.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.canaries import IN_BODY
from tests.records import Record
from tests.signing import signed

ACCOUNTS = 12
TRIES = 30
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Args:
        events_per_second: Of all senders, while all is well.
        senders: How many send at once.
        types: Of the events.
        repeated: Which part of the events is sent once more after its 200.
        name: What the ids begin with.
        characters: How long the text of an event is.
        skew_seconds: By how much the clock of who sends to a port is wrong.
    """

    events_per_second: float = 40.0
    senders: int = 8
    types: tuple[str, ...] = ("message.new",)
    repeated: float = 0.05
    name: str = "evt"
    characters: int = 400
    skew_seconds: Mapping[int, int] = field(default_factory=dict)


class Senders:
    """Sends until told to stop.

    Args:
        ports: Of the gateways.
        directory: Where the records are kept.
        chance: Decides types, accounts, pauses and repeats.
        load: What is sent.
    """

    def __init__(
        self, ports: list[int], directory: Path, chance: random.Random, load: Load
    ) -> None:
        self._ports = ports
        self._intents = Record(directory / "intents.log")
        self._acks = Record(directory / "acks.log")
        self._chance = chance
        self._load = load
        self._pause_seconds = load.senders / load.events_per_second
        self._numbers = itertools.count()
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self.under_way: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        # How many requests went out and had no answer: what became of them nobody knows.
        self.unanswered = 0
        # How many events were answered otherwise than by 200 and are to be sent again.
        self.unsettled = 0

    async def run(self) -> None:
        """Send until `stop`; what is under way then is brought to its end."""
        async with session() as sending:
            await asyncio.gather(*(self._send_on(sending) for _ in range(self._load.senders)))
        self._stopped.set()

    async def stop(self) -> None:
        """Begin with no more events, and return when what is under way has its answer."""
        self._stop.set()
        await self._stopped.wait()

    def close(self) -> None:
        """Give the records back."""
        self._intents.close()
        self._acks.close()

    async def _send_on(self, sending: aiohttp.ClientSession) -> None:
        while not self._stop.is_set():
            event_id = f"{self._load.name}-{next(self._numbers):07}"
            event_type = self._chance.choice(self._load.types)
            account = f"acc-{self._chance.randrange(ACCOUNTS)}"
            self._intents.write(event_id, event_type, account)
            body = body_of(event_id, event_type, account, self._load.characters)
            if await self._send(sending, body):
                self._acks.write(event_id)
                if self._chance.random() < self._load.repeated:
                    await self._try(sending, body)
            await self._pause(self._pause_seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * self._chance.uniform(0.5, 1.5)):
                await self._stop.wait()
        except TimeoutError:
            pass

    async def _send(self, sending: aiohttp.ClientSession, body: bytes) -> bool:
        if await self._try(sending, body) == 200:
            return True
        self.unsettled += 1
        try:
            return await self._send_again(sending, body)
        finally:
            self.unsettled -= 1

    async def _send_again(self, sending: aiohttp.ClientSession, body: bytes) -> bool:
        for _ in range(TRIES - 1):
            await asyncio.sleep(PAUSE_SECONDS * self._chance.uniform(0.5, 1.5))
            if self._stop.is_set():
                return False
            if await self._try(sending, body) == 200:
                return True
        return False

    async def _try(self, sending: aiohttp.ClientSession, body: bytes) -> int:
        """Send once; 0 where no answer came."""
        port = self._chance.choice(self._ports)
        self.under_way[port] += 1
        status = 0
        try:
            at = int(time.time()) + self._load.skew_seconds.get(port, 0)
            headers = signed(body, at)
            url = f"http://127.0.0.1:{port}/webhooks/unipile"
            async with sending.post(url, data=body, headers=headers) as answer:
                await answer.read()
                status = answer.status
        except aiohttp.ClientConnectorError:
            pass  # nobody is there, so nothing went out
        except (aiohttp.ClientError, TimeoutError):
            self.unanswered += 1
        self.under_way[port] -= 1
        self.statuses[status] += 1
        return status


def session() -> aiohttp.ClientSession:
    """Make what sends, to be closed by its own `async with`."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))


def body_of(event_id: str, event_type: str, account: str, characters: int = 400) -> bytes:
    """Make an event's body, the same each time."""
    padding = IN_BODY.ljust(characters, "x")
    return (
        f'{{"id":"{event_id}","type":"{event_type}","account_id":"{account}",'
        f'"payload":{{"text":"{padding}"}}}}'
    ).encode()
