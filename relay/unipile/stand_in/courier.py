"""Delivers events: one POST for each endpoint that takes one, tried again on a schedule.

An event comes in; signed requests go out, and a row of the log for each attempt. How many are on
their way is bounded, and so is how many wait.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from relay.contract.printable import printable
from relay.unipile.stand_in.conversations import Conversation, Conversations
from relay.unipile.stand_in.endpoints import Endpoint, Endpoints, Said
from relay.unipile.stand_in.events import Event
from relay.unipile.stand_in.faults import ATTEMPT, DELIVERY, WHOLE, Fault, Faults
from relay.unipile.stand_in.ids import new_id, time_text
from relay.unipile.stand_in.post import Answer, Poster
from relay.unipile.stand_in.refused import Refused
from relay.unipile.stand_in.rules import MOST_WAITING, Rules
from relay.unipile.stand_in.sign import HEADER, sign


@dataclass(frozen=True, slots=True)
class Books:
    """What a courier looks at and writes.

    Args:
        endpoints: Where events go.
        conversations: What came of it.
        faults: What shall go wrong.
    """

    endpoints: Endpoints
    conversations: Conversations
    faults: Faults


class Courier:
    """Takes events and brings them to their endpoints.

    Args:
        books: What it looks at and writes.
        rules: How long it waits, and for how many at once.
        retry_seconds: The pause before each retry; as many retries as there are pauses.
        say: Is told in a line what came of an attempt.
    """

    def __init__(
        self, books: Books, rules: Rules, retry_seconds: tuple[float, ...], say: Said
    ) -> None:
        self._books = books
        self._rules = rules
        self._pauses = (0.0, *retry_seconds)
        self._say = say
        self._poster = Poster(rules.timeout_seconds)
        self._slots = asyncio.Semaphore(rules.concurrency)
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        # What lets the late deliveries of an endpoint go.
        self._passed: dict[str, asyncio.Event] = {}

    @property
    def waiting(self) -> int:
        """Say how many deliveries are under way, or wait for a retry."""
        return len(self._tasks)

    def open(self) -> None:
        """Deliver again what is taken from now on."""
        self._is_closed = False

    async def take(self, event: Event) -> None:
        """Begin to deliver an event; waits while too many are under way.

        What is taken after a close goes nowhere, so that nothing is left under way.
        """
        for endpoint in self._books.endpoints.taking(event.type, event.account):
            await self._room.acquire()
            if self._is_closed:
                self._room.release()
                return
            name = f"deliver {event.id} to {endpoint.id}"
            task = asyncio.create_task(self._deliver(event, endpoint.id), name=name)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def settled(self) -> None:
        """Return when nothing is under way and nothing waits."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Give up what is under way, and what waits to be taken."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await self.settled()
        await self._poster.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def _deliver(self, event: Event, endpoint_id: str) -> None:
        """Bring one event to one endpoint, or do with it what a fault wants."""
        fault = self._books.faults.take(DELIVERY, event.type, WHOLE)
        kind = fault.kind if fault else ""
        if fault and kind == "late":
            await self._hold_back(endpoint_id, fault)
        for _ in range(2 if kind == "duplicate" else 1):
            await self._try_all(event, endpoint_id, is_lost=kind == "lost")
        if passed := self._passed.pop(endpoint_id, None):
            passed.set()

    async def _hold_back(self, endpoint_id: str, fault: Fault) -> None:
        """Wait until another delivery has gone ahead; not for ever, since none may come."""
        passed = self._passed.setdefault(endpoint_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(fault.seconds):
                await passed.wait()

    async def _try_all(self, event: Event, endpoint_id: str, *, is_lost: bool) -> None:
        first_time = int(self._rules.clock())
        for number, pause in enumerate(self._pauses):
            await asyncio.sleep(0.0 if is_lost else pause)
            endpoint = self._still(endpoint_id)
            if endpoint is None:
                return
            answer = Answer()
            async with self._slots:
                at = self._rules.clock()
                if not is_lost:
                    signed_at = int(at) if self._rules.fresh_time else first_time
                    answer = await self._attempt(event, endpoint, signed_at)
            self._write(event, endpoint, answer, is_first=number == 0, at=at)
            if answer.is_success:
                return

    def _still(self, endpoint_id: str) -> Endpoint | None:
        """Give the endpoint as it stands now; none where it takes nothing any more."""
        # Assumption: a retry goes where the endpoint is now
        try:
            endpoint = self._books.endpoints.get(endpoint_id)
        except Refused:
            return None
        return endpoint if endpoint.enabled else None

    async def _attempt(self, event: Event, endpoint: Endpoint, timestamp: int) -> Answer:
        headers = {HEADER: sign(endpoint.secret, timestamp, event.body)}
        body = event.body
        if self._books.faults.take(DELIVERY, event.type, ATTEMPT):
            body = body[:-1] + b' ,"changed":true}'
        return await self._poster.post(endpoint.url, body, headers)

    def _write(
        self, event: Event, endpoint: Endpoint, answer: Answer, *, is_first: bool, at: float
    ) -> None:
        if endpoint.id in self._books.endpoints:  # it may have been deleted meanwhile
            row = Conversation(
                id=new_id("wc"),
                endpoint_id=endpoint.id,
                event_id=event.id,
                event_type=event.type,
                first_attempt=is_first,
                created_at=time_text(at),
                http_status=answer.status,
                endpoint_url=endpoint.url,
                response_body=answer.body,
            )
            self._books.conversations.add(row)
        answered = "no answer" if answer.status is None else str(answer.status)
        retry = "" if is_first else ", a retry"
        event_words = f"{printable(event.id)} {printable(event.type)}"
        self._say(f"event {event_words} to {endpoint.id}: {answered}{retry}")
