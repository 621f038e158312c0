"""The routes of Unipile's API that are about webhooks.

Requests come in, answers in the API's form go out; what they change is in the books.

Source: https://github.com/unipile/unipile-python, docs/WebhooksApi.md;
https://github.com/unipile/unipile-node, types.gen.ts.
"""

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.unipile.stand_in.answers import bounds, json_answer, page_answer, refusal
from relay.unipile.stand_in.courier import Books
from relay.unipile.stand_in.refused import Refused
from relay.unipile.stand_in.rules import Rules

PREFIX = "/v2/webhooks"
KEY_HEADER = "x-api-key"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """Answers the API's requests.

    Args:
        books: What they read and change.
        rules: How long a page is, and which keys may not come in.
        api_key: The key that may.
    """

    def __init__(self, books: Books, rules: Rules, api_key: str) -> None:
        self._books = books
        self._rules = rules
        self._api_key = api_key

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        router = app.router
        for name in ("endpoints", "conversations"):
            # Assumption: a list without its slash redirects
            router.add_route("*", f"{PREFIX}/{name}", _with_slash)
        router.add_get(f"{PREFIX}/endpoints/", self._list)
        router.add_post(f"{PREFIX}/endpoints/", self._create)
        router.add_get(f"{PREFIX}/endpoints/{{id}}", self._read)
        router.add_patch(f"{PREFIX}/endpoints/{{id}}", self._update)
        router.add_delete(f"{PREFIX}/endpoints/{{id}}", self._delete)
        router.add_get(f"{PREFIX}/conversations/", self._conversations)

    @web.middleware
    async def judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who has the key, and give refusals the API's form."""
        if not request.path.startswith("/v2/"):
            return await handler(request)
        try:
            self._need_key(request)
            return await handler(request)
        except Refused as refused:
            return refusal(refused)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            return refusal(Refused(error.status, error.reason))

    def _need_key(self, request: web.Request) -> None:
        # Assumption: only X-API-KEY is looked at
        given = request.headers.get(KEY_HEADER, "").encode("utf-8", "surrogateescape")
        if any(_is_same(given, key) for key in self._rules.scoped_keys):
            raise Refused(403, "This key may not manage webhooks.")
        if not _is_same(given, self._api_key):
            raise Refused(401, "The API key is missing or not valid.")

    async def _list(self, request: web.Request) -> web.Response:
        offset, limit = bounds(request, self._rules.page_size)
        # Assumption: endpoints are listed oldest first
        found = list(self._books.endpoints.all.values())
        rows: list[object] = [
            self._books.endpoints.answer(each) for each in found[offset : offset + limit]
        ]
        return page_answer("WebhookEndpoints", rows, has_more=len(found) > offset + limit)

    async def _create(self, request: web.Request) -> web.Response:
        made = self._books.endpoints.create(await request.read())
        return json_answer(self._books.endpoints.answer(made))

    async def _read(self, request: web.Request) -> web.Response:
        found = self._books.endpoints.get(request.match_info["id"])
        return json_answer(self._books.endpoints.answer(found))

    async def _update(self, request: web.Request) -> web.Response:
        body = await request.read()
        changed = self._books.endpoints.update(request.match_info["id"], body)
        return json_answer(self._books.endpoints.answer(changed))

    async def _delete(self, request: web.Request) -> web.Response:
        endpoint_id = request.match_info["id"]
        self._books.endpoints.delete(endpoint_id)
        # Assumption: a deleted endpoint takes its conversations with it
        self._books.conversations.forget(endpoint_id)
        return json_answer({"success": True})

    async def _conversations(self, request: web.Request) -> web.Response:
        offset, limit = bounds(request, self._rules.page_size)
        endpoint_id = request.query.get("endpoint_id")
        if not endpoint_id:
            raise Refused(400, "endpoint_id is required.")
        # Assumption: an unknown endpoint has no conversations to list
        self._books.endpoints.get(endpoint_id)
        found = self._books.conversations.of(endpoint_id, request.query.get("event_id"))
        rows: list[object] = list(found[offset : offset + limit])
        return page_answer("WebhookConversations", rows, has_more=len(found) > offset + limit)


async def _with_slash(request: web.Request) -> web.StreamResponse:
    # Which keeps the method and the body.
    raise web.HTTPPermanentRedirect(request.rel_url.with_path(f"{request.path}/", keep_query=True))


def _is_same(given: bytes, key: str) -> bool:
    return hmac.compare_digest(given, key.encode())
