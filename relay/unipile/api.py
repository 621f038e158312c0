"""The calls that there are: webhook endpoints made, read, changed and deleted; the log of attempts.

What changes nothing, or comes to the same when done twice, is tried again by itself. An endpoint is
not created twice: after an answer that got lost it is looked for.

Source: https://github.com/unipile/unipile-node.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientSession, DummyCookieJar
from yarl import URL

from relay.contract.printable import printable
from relay.unipile.compare import differing, is_same_url
from relay.unipile.exchange import KEY_HEADER, Busy, Request, exchange, send_once, too_many
from relay.unipile.failures import Away, FailedItself, NoId, NotThere, UnipileFailed, Unreadable
from relay.unipile.patience import Patience
from relay.unipile.shapes import Conversation, Deleted, Page, UnipileEndpoint

ENDPOINTS = "/v2/webhooks/endpoints/"
CONVERSATIONS = "/v2/webhooks/conversations/"
# Where fewer come at a time, as many are asked for more often.
PAGE = 100
# While many attempts come in, a page can hold only what the one before it did.
MAX_STALE_PAGES = 100
# What moves on while a list is read is near: of a log of millions not all ids are kept.
REMEMBERED = 20_000
# Nobody has so many; a list that goes on says there is more without end.
MAX_ENDPOINTS = 100_000

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
AnswerT = TypeVar("AnswerT")
FoundT = TypeVar("FoundT")


@asynccontextmanager
async def open_api(
    base: str, key: str, patience: Patience | None = None
) -> AsyncIterator["UnipileApi"]:
    """Have a client within the block.

    Args:
        base: Where Unipile is, without the version.
        key: The API key; it goes nowhere else.
        patience: How long it is waited for.
    """
    url = URL(base)
    async with ClientSession(
        cookie_jar=DummyCookieJar(),
        middlewares=(send_once,),
        # A proxy would read what is not encrypted; that goes to this machine only.
        trust_env=url.scheme == "https",
        headers={KEY_HEADER: key, "User-Agent": "webhook-relay", "Accept": "application/json"},
    ) as session:
        yield UnipileApi(session, url, patience or Patience())


class UnipileApi:
    """Asks Unipile.

    Args:
        session: With the key among its headers.
        base: Where Unipile is, without the version.
        patience: How long it is waited for.
    """

    def __init__(self, session: ClientSession, base: URL, patience: Patience) -> None:
        self._session = session
        self._base = base
        self._patience = patience

    async def list_endpoints(self) -> list[UnipileEndpoint]:
        """List all endpoints of the application.

        Raises:
            UnipileFailed: They could not be listed.
        """
        return await self._endpoints()

    async def read_endpoint(self, endpoint_id: str) -> UnipileEndpoint:
        """Read one endpoint.

        Raises:
            NotThere: There is none of this id.
            UnipileFailed: It could not be read.
        """
        request = Request("GET", _place(endpoint_id), f"show {printable(endpoint_id, 80)}")
        return _decoded(request, await self._ask(request), UnipileEndpoint)

    async def create_endpoint(self, wanted: Mapping[str, object]) -> UnipileEndpoint:
        """Create an endpoint, once.

        Where the answer got lost, the new endpoint is looked for by its URL. It is tried again only
        after an answer which says that nothing was done, or where it is not there.

        Args:
            wanted: ``url`` and ``trigger_events``; ``account_ids`` and ``description`` if any.

        Raises:
            UnipileFailed: It was not created; or, where `may_be_done`, nobody knows.
        """
        request = Request("POST", ENDPOINTS, "create the endpoint", body=wanted)
        ends_at = self._ends_at()
        before = {endpoint.id for endpoint in await self._endpoints(ends_at)}
        for attempt in range(1, self._patience.attempts + 1):
            try:
                answer = await self._ask(request, ends_at=ends_at)
                return _decoded(request, answer, UnipileEndpoint)
            except UnipileFailed as failure:
                if not failure.may_be_done:
                    raise
                there = await _looked(failure, self._endpoints(ends_at))
                if (found := _new(there, before, wanted, failure)) is not None:
                    return found
                # What was cut off may still be done after we have looked.
                pause = self._patience.pause_seconds(attempt)
                is_over = attempt == self._patience.attempts or _now() + pause >= ends_at
                if is_over or not isinstance(failure, FailedItself):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError

    async def update_endpoint(
        self, endpoint_id: str, changes: Mapping[str, object]
    ) -> UnipileEndpoint:
        """Change an endpoint.

        Args:
            endpoint_id: ``we_…``.
            changes: Any of ``url``, ``description``, ``enabled``, ``trigger_events`` and
                ``account_ids``. Lists are sent whole, and ``account_ids`` always: what Unipile
                makes of an update without it is not documented.

        Raises:
            NotThere: There is none of this id.
            UnipileFailed: It was not changed; or, where `may_be_done`, nobody knows.
        """
        request = Request(
            "PATCH", _place(endpoint_id), f"change {printable(endpoint_id, 80)}", body=changes
        )
        try:
            return _decoded(request, await self._ask(request), UnipileEndpoint)
        except Unreadable as failure:
            if not failure.may_be_done:
                raise
            found = await _looked(failure, self.read_endpoint(endpoint_id))
            if not (differ := differing(found, changes)):
                return found
            raise Unreadable(
                f"Unipile could not {request.wish}: its answer could not be read, and "
                f"{', '.join(differ)} is not what it should be. Try again.",
                may_be_done=True,
            ) from None

    async def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint.

        Raises:
            NotThere: There is none of this id.
            UnipileFailed: It was not deleted; or, where `may_be_done`, nobody knows.
        """
        request = Request("DELETE", _place(endpoint_id), f"delete {printable(endpoint_id, 80)}")
        tried = _Tried()
        try:
            deleted = _decoded(request, await self._ask(request, tried), Deleted).success
        except NotThere:
            if not tried.may_be_done:
                raise
            deleted = True  # an attempt before has done it
        except Unreadable as failure:
            if not failure.may_be_done:
                raise
            deleted = await _looked(failure, self._is_gone(endpoint_id))
        if not deleted:
            raise Unreadable(f"Unipile could not {request.wish}: it says that it did not.")

    async def conversation_pages(
        self, endpoint_id: str, event_id: str | None = None
    ) -> AsyncIterator[list[Conversation]]:
        """Give the attempts to deliver events to an endpoint, the newest first, each once.

        Attempts that are made meanwhile may or may not be among them; none of those before is left
        out.

        Args:
            endpoint_id: ``we_…``.
            event_id: Only those of one event.

        Raises:
            UnipileFailed: They could not be listed.
        """
        query = {"endpoint_id": endpoint_id}
        if event_id is not None:
            query["event_id"] = event_id
        wish = f"list the attempts of {printable(endpoint_id, 80)}"
        async for page in self._pages(Request("GET", CONVERSATIONS, wish, query), Conversation):
            yield page

    async def _is_gone(self, endpoint_id: str) -> bool:
        try:
            await self.read_endpoint(endpoint_id)
        except NotThere:
            return True
        return False

    async def _endpoints(self, ends_at: float | None = None) -> list[UnipileEndpoint]:
        request = Request("GET", ENDPOINTS, "list its endpoints")
        found: list[UnipileEndpoint] = []
        async for page in self._pages(request, UnipileEndpoint, ends_at):
            found += page
            if len(found) > MAX_ENDPOINTS:
                raise Unreadable(f"Unipile could not {request.wish}: the list has no end.")
        return found

    async def _pages(
        self, request: Request, kind: type[AnswerT], ends_at: float | None = None
    ) -> AsyncIterator[list[AnswerT]]:
        """Give a list page by page; what moves on to the next page meanwhile is given once."""
        seen: dict[str, None] = {}
        offset = stale = 0
        while True:
            query = {**(request.query or {}), "offset": str(offset), "limit": str(PAGE)}
            asked = Request(request.method, request.path, request.wish, query)
            answer = await self._ask(asked, ends_at=ends_at)
            # A type that is known when it runs only.
            page: Page[Any] = _decoded(asked, answer, Page[kind])  # type: ignore[valid-type]
            new = [item for item in page.data if item.id not in seen]
            seen.update(dict.fromkeys(item.id for item in new))
            for old in list(islice(seen, max(0, len(seen) - REMEMBERED))):
                del seen[old]
            if new:
                yield new
            if not page.has_more:
                return
            stale = 0 if new else stale + 1
            if not page.data or stale == MAX_STALE_PAGES:
                raise Unreadable(
                    f"Unipile could not {request.wish}: it says that there is more, and gives "
                    "nothing new."
                )
            offset += len(page.data)

    def _ends_at(self) -> float:
        return _now() + self._patience.total_seconds

    async def _ask(
        self, request: Request, tried: "_Tried | None" = None, *, ends_at: float | None = None
    ) -> bytes:
        """Ask until there is an answer, as often as that harms nothing."""
        patience, tried = self._patience, tried or _Tried()
        ends_at = self._ends_at() if ends_at is None else ends_at
        for attempt in range(1, patience.attempts + 1):
            asked_for = None
            seconds = max(0.1, min(patience.request_seconds, ends_at - _now()))
            try:
                return await exchange(self._session, self._base, request, seconds=seconds)
            except Busy as busy:
                asked_for = busy.retry_after
                failure: UnipileFailed = too_many(request, attempt, asked_for)
            except Away as away:
                failure = away
                tried.may_be_done |= away.may_be_done
                if request.method == "POST" and away.may_be_done:  # done twice it makes two
                    raise
            pause = patience.pause_seconds(attempt, asked_for)
            if attempt == patience.attempts or _now() + pause >= ends_at:
                failure.may_be_done = tried.may_be_done
                raise failure
            await asyncio.sleep(pause)
        raise AssertionError


class _Tried:
    """What attempts have come to that failed."""

    may_be_done = False


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _looked(failure: UnipileFailed, looking: Awaitable[FoundT]) -> FoundT:
    """Give what a look after an answer that got lost has found."""
    try:
        return await looking
    except UnipileFailed as second:
        raise Away(
            f"{failure} Whether it is done is not known: {second}", may_be_done=True
        ) from None


def _new(
    there: list[UnipileEndpoint],
    before: set[str],
    wanted: Mapping[str, object],
    failure: UnipileFailed,
) -> UnipileEndpoint | None:
    """Find what a request has made whose answer got lost."""
    new = [
        endpoint
        for endpoint in there
        if endpoint.id not in before and is_same_url(endpoint.url, str(wanted["url"]))
    ]
    if len(new) > 1:
        ids = ", ".join(printable(endpoint.id, 80) for endpoint in new)
        raise Unreadable(
            f"{failure} There are several new endpoints with this URL now: {ids}. Delete those "
            "that are too many.",
            may_be_done=True,
        )
    return new[0] if new else None


def _place(endpoint_id: str) -> str:
    # Whatever was typed, it must not become another path.
    if not _ID.fullmatch(endpoint_id):
        raise NoId(f"{printable(endpoint_id, 80)} is no id of an endpoint: one begins with we_.")
    return f"{ENDPOINTS}{endpoint_id}"


def _decoded(request: Request, answer: bytes, kind: type[AnswerT]) -> AnswerT:
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.ValidationError as error:
        why = f"its answer is not of the form that it should have ({printable(error, 200)})"
    except (msgspec.MsgspecError, ValueError, RecursionError):
        why = "its answer is no JSON, or only a part of it"
    raise Unreadable(
        f"Unipile could not {request.wish}: {why}.", may_be_done=request.changes
    ) from None
