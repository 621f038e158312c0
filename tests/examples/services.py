"""Local services that the examples talk to: they fail as told, and remember what was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True)
class Asked:
    """One request.

    Args:
        path: Without the query.
        query: Its parameters.
        headers: With names in lower case.
        json: The body, if there was one.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    json: Any


@dataclass
class Service:
    """Answers with what was put into `failures`, and when that is used up with `answer`.

    Args:
        url: Its address, with a slash at the end.
        asked: What it was asked, oldest first.
        failures: Status and headers of the next answers; where a status is 0 the connection is
            closed without an answer.
        answering: Cleared while nothing is answered.
        fails_after: How many requests are answered before the failures begin.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    fails_after: int = 0

    def __post_init__(self) -> None:
        self.answering.set()

    def fail(self, *statuses: int, **headers: str) -> None:
        """Have the next answers be failures."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failures += [(status, named) for status in statuses]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        body = await request.json() if request.can_read_body else None
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.rel_url.raw_path, dict(request.query), headers, body)
        self.asked.append(asked)
        await self.answering.wait()
        if not self.failures or len(self.asked) <= self.fails_after:
            return self.answer(asked)
        status, headers = self.failures.pop(0)
        if not status:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 500, headers=headers, text="says too much")

    def answer(self, asked: Asked) -> web.Response:
        """Answer as a service does that works."""
        return web.json_response({})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer within the block."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        async with TestServer(app, host="127.0.0.1") as server:
            self.url = str(server.make_url("/"))
            yield


@dataclass
class Sender(Service):
    """The sender's API: chats and their messages in pages, the latest first.

    Args:
        messages: All that it has.
        cursors: Whether pages have cursors, or offsets.
        gone: A chat that is deleted after the chats were listed.
        after_first: Called when the first answer is made.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    cursors: bool = True
    gone: str = ""
    after_first: Callable[[], None] = lambda: None

    def answer(self, asked: Asked) -> web.Response:
        """Give a page."""
        parts = asked.path.strip("/").split("/")
        if parts[-1] == "messages" and unquote(parts[3]) == self.gone:
            return web.Response(status=404)
        page = self._list(parts, asked)
        if len(self.asked) == 1:
            self.after_first()
        return web.json_response(page)

    def _list(self, parts: list[str], asked: Asked) -> Any:
        if parts[-1] == "chats":
            latest: dict[str, str] = {}
            for message in self.messages:
                at = latest.get(message["chat_id"], "")
                latest[message["chat_id"]] = max(at, message["timestamp"])
            chats = [{"id": id_, "last_message_timestamp": at} for id_, at in latest.items()]
            return self._page(chats, "last_message_timestamp", asked.query)
        chat = unquote(parts[3])
        found = [message for message in self.messages if message["chat_id"] == chat]
        return self._page(found, "timestamp", asked.query)

    def _page(self, items: list[Any], at: str, query: Mapping[str, str]) -> Any:
        after, before = query.get("after", ""), query.get("before", "~")
        wanted = [item for item in items if after < item[at] < before]
        wanted.sort(key=lambda item: item[at], reverse=True)
        # Each kind knows nothing of the other's.
        start = int(query.get("cursor", "at-0")[3:] if self.cursors else query.get("offset", "0"))
        end = start + int(query["limit"])
        page = {"data": wanted[start:end]}
        return page | ({"next_cursor": f"at-{end}"} if self.cursors and end < len(wanted) else {})
