"""Routes by which programs steer a stand-in: ``/stand-in/…``, JSON in and JSON out.

They are for this machine only: a page in a browser that tries them, also under a name of its own
that leads here, is refused.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiohttp import web

from relay.unipile.stand_in.answers import json_answer, refusal
from relay.unipile.stand_in.faults import as_fault
from relay.unipile.stand_in.refused import Refused

if TYPE_CHECKING:
    from relay.unipile.stand_in.stand_in import StandIn

PREFIX = "/stand-in"
HOSTS = frozenset({"127.0.0.1", "localhost"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ReadT = TypeVar("ReadT", bound=msgspec.Struct)


class WantedEvent(msgspec.Struct, forbid_unknown_fields=True):
    """An event that shall happen; as `StandIn.emit` takes it."""

    type: str
    account: str
    payload: dict[str, Any] | None = None
    more: dict[str, Any] | None = None
    event_id: str | None = None


class WantedAccount(msgspec.Struct, forbid_unknown_fields=True):
    """An account that shall be linked, or be in another status."""

    id: str
    provider: str | None = None
    name: str | None = None
    status: str | None = None
    product: str | None = None
    reason: str | None = None


class WantedFault(msgspec.Struct, forbid_unknown_fields=True):
    """Something that shall go wrong; as `StandIn.fail_next` takes it."""

    method: str
    path: str
    fault: str | int
    times: int = 1
    done: bool = False
    seconds: float = 1.0
    retry_after: str | None = None


class Planted(msgspec.Struct, forbid_unknown_fields=True):
    """Attempts that were never made; as `StandIn.plant` takes them."""

    endpoint_id: str
    conversations: list[dict[str, Any]]


class Control:
    """Answers the requests.

    Args:
        unipile: What they steer.
    """

    def __init__(self, unipile: "StandIn") -> None:
        self._unipile = unipile

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        router = app.router
        router.add_get(f"{PREFIX}/state", self._state)
        router.add_post(f"{PREFIX}/events", self._emit)
        router.add_post(f"{PREFIX}/accounts", self._account)
        router.add_delete(f"{PREFIX}/accounts/{{id}}", self._remove)
        router.add_post(f"{PREFIX}/faults", self._fault)
        router.add_delete(f"{PREFIX}/faults", self._no_faults)
        router.add_post(f"{PREFIX}/conversations", self._plant)

    async def _state(self, _: web.Request) -> web.Response:
        return json_answer(self._unipile.state())

    async def _emit(self, request: web.Request) -> web.Response:
        wanted = await _read(request, WantedEvent)
        event_id = await self._unipile.emit(
            wanted.type,
            wanted.account,
            payload=wanted.payload,
            more=wanted.more,
            event_id=wanted.event_id,
        )
        return json_answer({"id": event_id})

    async def _account(self, request: web.Request) -> web.Response:
        wanted = await _read(request, WantedAccount)
        event_id = None
        if wanted.status is None:
            provider = wanted.provider or "linkedin"
            self._unipile.add_account(wanted.id, provider=provider, name=wanted.name)
        else:
            event_id = await self._unipile.change_status(
                wanted.id, wanted.status, product=wanted.product, reason=wanted.reason
            )
        return json_answer({"id": wanted.id, "event_id": event_id})

    async def _remove(self, request: web.Request) -> web.Response:
        self._unipile.remove_account(request.match_info["id"])
        return json_answer({"success": True})

    async def _fault(self, request: web.Request) -> web.Response:
        wanted = await _read(request, WantedFault)
        fault = replace(
            as_fault(wanted.fault),
            done=wanted.done,
            seconds=wanted.seconds,
            retry_after=wanted.retry_after,
        )
        self._unipile.fail_next(wanted.method, wanted.path, fault, wanted.times)
        return json_answer({"waiting": self._unipile.faults_waiting})

    async def _no_faults(self, _: web.Request) -> web.Response:
        self._unipile.clear_faults()
        return json_answer({"waiting": 0})

    async def _plant(self, request: web.Request) -> web.Response:
        wanted = await _read(request, Planted)
        planted = self._unipile.plant(wanted.endpoint_id, wanted.conversations)
        return json_answer({"planted": planted})


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a browser's page, and say in words what a request got wrong."""
    if not request.path.startswith(f"{PREFIX}/"):
        return await handler(request)
    try:
        # A name that somebody has lead here is none of these.
        if "origin" in request.headers or request.url.host not in HOSTS:
            return refusal(Refused(403, "Only programs on this machine may ask for this."))
        return await handler(request)
    except ValueError as fault:
        return refusal(Refused(400, str(fault)))


async def _read(request: web.Request, kind: type[ReadT]) -> ReadT:
    body = await request.read()
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as fault:
        raise ValueError(str(fault)) from None
