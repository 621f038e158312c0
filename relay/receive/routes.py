"""The gateway's routes, for both kinds of server that aiohttp has.

`add_routes` puts them into an application, to be embedded in another program; `Ingress` is the
same for a server of ours alone, whose few paths are looked up in a table: aiohttp's routing
costs as much as verifying a delivery. What a request means does not differ.
"""

import asyncio
import time
from collections.abc import Mapping

from aiohttp import StreamReader, web

from relay.contract.errors import BodyIncomplete, DeliveryRefused, MethodNotAllowed, UnknownEndpoint
from relay.handshake import Answered
from relay.http.answers import problem
from relay.http.pages import Page, add_pages, bug
from relay.pipeline import Accepted
from relay.receive import Receiver
from relay.receive.answers import answer
from relay.receive.prepared import may_be_prepared, prepared, prepared_refusal

PREFIX = "/webhooks/"
# For a sender that was cut to read why, before its connection ends.
CUT_LINGER_SECONDS = 0.2


def add_routes(app: web.Application, receiver: Receiver, pages: Mapping[str, Page]) -> None:
    """Add every route to an application.

    Args:
        app: Where to.
        receiver: Takes the deliveries.
        pages: Further paths, and what answers a GET of them.
    """

    async def receive(request: web.Request) -> web.StreamResponse:
        return answer(await receiver.receive(request, request.match_info["endpoint"]))

    app.router.add_route("*", PREFIX + "{endpoint}", receive, expect_handler=_wait_with_continue)
    add_pages(app, pages)


class Ingress:
    """Answers the requests of a low-level server.

    Args:
        receiver: Takes the deliveries.
        pages: Further paths, and what answers a GET of them.
    """

    def __init__(self, receiver: Receiver, pages: Mapping[str, Page]) -> None:
        self._receiver = receiver
        self._pages = pages
        self._names = {PREFIX + name: name for name in receiver.endpoints}
        self._draining = False
        # Connections without a request that is being answered, and since when in the loop's time;
        # those longest so come first.
        self.quiet: dict[web.RequestHandler, float] = {}
        # Bodies that were answered before all of them had come: aiohttp reads on.
        self.unread: dict[web.RequestHandler, StreamReader] = {}

    def drain(self) -> None:
        """From now on ask every sender to take another connection next time."""
        self._draining = True

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        connection = request.protocol
        self.quiet.pop(connection, None)
        name = self._names.get(request.raw_path)
        try:
            if name is None:
                response = await self._look_closer(request)
            else:
                response = self._answer(request, await self._receiver.receive(request, name))
        except Exception as error:  # noqa: BLE001 - the edge: a bug becomes an answer
            response = bug(error)
        if not request.content.is_eof() and connection.transport is not None:
            self.unread[connection] = request.content
        if self._draining:
            response.force_close()
            if not request.content.is_eof():
                # Refused while it was still sending: aiohttp reads on for a while and then closes.
                # Closed before that, the sender may never see its answer.
                return response
        if connection.transport is not None:
            # The loop's time, without asking for the loop: that is a system call before 3.12.
            self.quiet[connection] = time.monotonic()
        return response

    async def _look_closer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request whose path does not stand in the table as it was written."""
        path = request.path
        if path.startswith(PREFIX) and "/" not in (name := path.removeprefix(PREFIX)) and name:
            return self._answer(request, await self._receiver.receive(request, name))
        page = self._pages.get(path)
        if page is None:
            return problem(UnknownEndpoint())
        if request.method not in {"GET", "HEAD"}:
            return problem(MethodNotAllowed("GET", "HEAD"))
        return await page()

    def _answer(
        self, request: web.BaseRequest, outcome: Accepted | Answered | DeliveryRefused
    ) -> web.StreamResponse:
        if not isinstance(outcome, Answered) and not self._draining and may_be_prepared(request):
            if isinstance(outcome, Accepted):
                return prepared(outcome)
            if request.method != "HEAD":
                return prepared_refusal(outcome)
        response = answer(outcome)
        if isinstance(outcome, BodyIncomplete):
            # Its room was needed, and the connection takes some too; no other request comes on it.
            response.force_close()
            loop = asyncio.get_running_loop()
            loop.call_later(CUT_LINGER_SECONDS, request.protocol.force_close)
        return response


async def _wait_with_continue(_: web.Request) -> None:
    """Keep the sender waiting: whether it may go on is decided by the head."""
