"""Senders of signed deliveries: each event's intent is on disk before it is sent, its 200 after.

An event is sent again until it is answered 200 or its sender gives up; what was answered is sent
once more now and then, as real senders do.
"""

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path

import aiohttp

from tests.canaries import IN_BODY
from tests.chaos.records import Record
from tests.chaos.rules import ACCOUNTS, TYPES
from tests.signing import signed

SENDERS = 8
TRIES = 30
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.2
REPEATED = 0.05


class Senders:
    """Sends until told to stop.

    Args:
        ports: Of the gateways.
        directory: Where the records are kept.
        chance: Decides types, accounts, pauses and repeats.
        events_per_second: Of all senders, while all is well.
    """

    def __init__(
        self, ports: list[int], directory: Path, chance: random.Random, events_per_second: float
    ) -> None:
        self._ports = ports
        self._intents = Record(directory / "intents.log")
        self._acks = Record(directory / "acks.log")
        self._chance = chance
        self._pause_seconds = SENDERS / events_per_second
        self._numbers = itertools.count()
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self.under_way: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()

    async def run(self) -> None:
        """Send until `stop`; what is under way then is brought to its end."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._send_on(session) for _ in range(SENDERS)))
        self._stopped.set()

    async def stop(self) -> None:
        """Begin with no more events, and return when what is under way has its answer."""
        self._stop.set()
        await self._stopped.wait()

    def close(self) -> None:
        """Give the records back."""
        self._intents.close()
        self._acks.close()

    async def _send_on(self, session: aiohttp.ClientSession) -> None:
        while not self._stop.is_set():
            event_id = f"evt-{next(self._numbers):07}"
            event_type = self._chance.choice(TYPES)
            account = f"acc-{self._chance.randrange(ACCOUNTS)}"
            self._intents.write(event_id, event_type, account)
            body = _body_of(event_id, event_type, account)
            if await self._send(session, body):
                self._acks.write(event_id)
                if self._chance.random() < REPEATED:
                    await self._try(session, body)
            await self._pause(self._pause_seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * self._chance.uniform(0.5, 1.5)):
                await self._stop.wait()
        except TimeoutError:
            pass

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        for _ in range(TRIES):
            if await self._try(session, body) == 200:
                return True
            await asyncio.sleep(PAUSE_SECONDS * self._chance.uniform(0.5, 1.5))
            if self._stop.is_set():
                return False
        return False

    async def _try(self, session: aiohttp.ClientSession, body: bytes) -> int:
        """Send once; 0 where no answer came."""
        port = self._chance.choice(self._ports)
        self.under_way[port] += 1
        status = 0
        try:
            url = f"http://127.0.0.1:{port}/webhooks/unipile"
            async with session.post(url, data=body, headers=signed(body)) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            pass
        self.under_way[port] -= 1
        self.statuses[status] += 1
        return status


def _body_of(event_id: str, event_type: str, account: str) -> bytes:
    padding = IN_BODY.ljust(400, "x")
    return (
        f'{{"id":"{event_id}","type":"{event_type}","account_id":"{account}",'
        f'"payload":{{"text":"{padding}"}}}}'
    ).encode()
