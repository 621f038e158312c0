"""The stand-in as tests use it: start, steer, look, stop.

It joins the rooms: accounts, endpoints, events, faults, the log of attempts, the courier that
delivers, and the server that listens on the loopback.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from relay.unipile.stand_in.accounts import SILENT, Account, Accounts
from relay.unipile.stand_in.api import Api
from relay.unipile.stand_in.control import Control, guard
from relay.unipile.stand_in.conversations import Conversation, Conversations
from relay.unipile.stand_in.courier import Books, Courier
from relay.unipile.stand_in.endpoints import Endpoint, Endpoints, Said
from relay.unipile.stand_in.events import Event, Events, Wanted
from relay.unipile.stand_in.faults import Fault, Faults
from relay.unipile.stand_in.ids import time_text
from relay.unipile.stand_in.refused import Refused
from relay.unipile.stand_in.rules import (
    DEFAULT_KEY,
    MOST_REQUEST_BYTES,
    RETRY_SECONDS,
    Rules,
)
from relay.unipile.stand_in.spoil import Spoiler
from relay.unipile.stand_in.state import state_of

HOST = "127.0.0.1"


class StandIn:
    """A stand-in Unipile that listens on 127.0.0.1 within an ``async with`` block.

    Args:
        api_key: What the API wants as ``X-API-KEY``.
        port: Where it listens; 0 takes a free one.
        retry_seconds: The pauses before retries of a delivery; as many retries as there are.
        rules: What may be otherwise.
        say: Is told in a line what happens, without a secret in it; nobody by default.

    Raises:
        ValueError: A pause is no number of seconds.
    """

    def __init__(
        self,
        api_key: str = DEFAULT_KEY,
        *,
        port: int = 0,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        rules: Rules | None = None,
        say: Said | None = None,
    ) -> None:
        if not all(0 <= seconds < math.inf for seconds in retry_seconds):
            raise ValueError("retry_seconds are numbers of seconds, 0 or more")
        self.api_key = api_key
        self._port = port
        self._rules = rules or Rules()
        self._say: Said = say or (lambda _: None)
        self._accounts = Accounts()
        self._events = Events()
        self._faults = Faults()
        endpoints = Endpoints(self._accounts, self._rules, self._say)
        self._books = Books(endpoints, Conversations(), self._faults)
        self._courier = Courier(self._books, self._rules, tuple(retry_seconds), self._say)
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    # Start and stop.

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a stop again at the same address, with all that was there.

        Raises:
            OSError: The port is not free.
        """
        if self._runner is not None:
            return
        self._closing.clear()
        self._courier.open()
        # What waits for an answer that never comes ends as soon as the client has gone.
        runner = web.AppRunner(
            self._application(), handler_cancellation=True, access_log=None, shutdown_timeout=2.0
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Give up what is under way, and listen no more; may be called twice, and before start.

        What is emitted afterwards is delivered to nobody.
        """
        self._closing.set()
        await self._courier.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _application(self) -> web.Application:
        api = Api(self._books, self._rules, self.api_key)
        spoiler = Spoiler(self._faults, self._closing, self._say)
        app = web.Application(
            middlewares=[guard, spoiler.spoil, api.judge], client_max_size=MOST_REQUEST_BYTES
        )
        api.add_to(app)
        Control(self).add_to(app)
        return app

    # Look.

    @property
    def url(self) -> str:
        """The address of the API, as ``UNIPILE_API_URL`` wants it."""
        return f"http://{HOST}:{self._port}"

    @property
    def accounts(self) -> dict[str, Account]:
        """The linked accounts by id."""
        return {each.id: each for each in self._accounts}

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """The registered endpoints by id, as they stand, oldest first."""
        return self._books.endpoints.all

    @property
    def events(self) -> list[Event]:
        """The last 10,000 events, oldest first."""
        return self._events.all

    @property
    def waiting(self) -> int:
        """How many deliveries are under way, or wait for a retry."""
        return self._courier.waiting

    @property
    def faults_waiting(self) -> int:
        """How many faults wait for what they are for."""
        return sum(each.times for each in self._faults.waiting)

    def conversations(self, endpoint_id: str) -> list[Conversation]:
        """Give the attempts to deliver to an endpoint, newest first."""
        return self._books.conversations.of(endpoint_id)

    def state(self) -> dict[str, object]:
        """Describe all of it in plain values, without the endpoints' secrets."""
        return state_of(self._accounts, self._books, self._events, self._courier)

    async def settled(self) -> None:
        """Return when no delivery is under way or waits for a retry."""
        await self._courier.settled()

    # Steer.

    def add_account(
        self, account_id: str, *, provider: str = "linkedin", name: str | None = None
    ) -> None:
        """Link an account; no event tells of it, unless `emit` does.

        Args:
            account_id: Begins with ``acc_``.
            provider: As ``linkedin`` or ``whatsapp``.
            name: What is shown of it.

        Raises:
            ValueError: The id or the provider is none.
        """
        self._accounts.add(Account(id=account_id, provider=provider, name=name))

    def remove_account(self, account_id: str) -> None:
        """Remove an account; no event tells of it, unless `emit` did before.

        Raises:
            ValueError: There is no such one.
        """
        self._accounts.remove(account_id)

    async def change_status(
        self, account_id: str, status: str, *, product: str | None = None, reason: str | None = None
    ) -> str:
        """Have an account be in another status, and say so by an event.

        While it is disconnected, errored or paused, `emit` delivers nothing of it but events about
        the account itself.

        Args:
            account_id: Whose.
            status: As ``running`` or ``disconnected``.
            product: The product that dropped, where not the whole account did.
            reason: ``unipile``, ``proxy`` or ``provider``; for ``errored``.

        Returns:
            The event's id.

        Raises:
            ValueError: There is no such account, or no such status.
        """
        if product is None:
            self._accounts.change_status(account_id, status)
        payload = {"timestamp": time_text(self._rules.clock())}
        said = {"product": product, "reason": reason}
        payload |= {name: value for name, value in said.items() if value is not None}
        return await self.emit(f"account.status.{status}", account_id, payload=payload)

    async def emit(
        self,
        event_type: str,
        account: str,
        payload: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> str:
        """Have something happen to an account, and begin to deliver it.

        Args:
            event_type: Any; one of Unipile's has the body of its example.
            account: The account's id; it need not be linked.
            payload: Instead of the example's.
            more: Further fields of the outermost object, or other values of those that are there.
            event_id: Instead of a new one.

        Returns:
            The event's id.
        """
        known = self._accounts.get(account)
        wanted = Wanted(payload=payload, more=more, event_id=event_id)
        event = self._events.make(event_type, account, known, wanted, self._rules.clock())
        is_silent = known is not None and known.status in SILENT
        # Assumption: what happens while an account is away is never delivered
        if not is_silent or event.type.startswith("account."):
            await self._courier.take(event)
        return event.id

    def add_endpoint(
        self, url: str, trigger_events: Iterable[str], account_ids: Iterable[str] = ()
    ) -> Endpoint:
        """Register an endpoint without a request.

        Raises:
            ValueError: The API would refuse it; with its words.
        """
        return self._books.endpoints.register(url, trigger_events, account_ids)

    def fail_next(
        self,
        method: str,
        path_pattern: str,
        fault: Fault | str | int,
        times: int = 1,
        *,
        done: bool = False,
    ) -> None:
        """Have the next request or delivery that fits go wrong.

        Args:
            method: As ``GET``, ``*`` for any, or ``DELIVERY``.
            path_pattern: Of the request's path, or of the event's type; ``*`` is anything.
            fault: A status, a kind, or a `Fault` with details.
            times: How often.
            done: Whether a request is done all the same, and only its answer is lost.

        Raises:
            ValueError: There is no such fault.
        """
        self._faults.add(method, path_pattern, fault, times, done=done)

    def clear_faults(self) -> None:
        """Have nothing go wrong any more."""
        self._faults.clear()

    def plant(self, endpoint_id: str, conversations: Iterable[Mapping[str, Any]]) -> int:
        """Add attempts to an endpoint's log that were never made.

        Args:
            endpoint_id: Whose.
            conversations: Fields of a `Conversation` by name; what is missing is made up:
                another event for each, now, a first attempt, and no answer.

        Returns:
            How many.

        Raises:
            ValueError: There is no such endpoint, or no such field.
        """
        with suppress(Refused):
            endpoint = self._books.endpoints.get(endpoint_id)
            usual = {
                "endpoint_id": endpoint_id,
                "event_type": "message.new",
                "created_at": time_text(self._rules.clock()),
                "endpoint_url": endpoint.url,
            }
            return self._books.conversations.plant(usual, conversations)
        raise ValueError(f"there is no endpoint {endpoint_id!r}")
