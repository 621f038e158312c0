"""The whole gateway on a loopback port, over a real store."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import ClientResponse
from aiohttp.test_utils import BaseTestServer, TestClient, TestServer
from redis.asyncio import Redis
from yarl import URL

from relay.app import Gateway, _ingress, serving_on
from relay.contract.connect import connect
from relay.contract.entry import decode
from relay.contract.event import Event
from relay.http.listen import bound
from relay.settings import Settings, build_endpoints
from tests.canaries import IN_BODY
from tests.servers import Server
from tests.signing import SECRET, signed
from tests.waiting import wait_until

ENVIRON = {"UNIPILE_WEBHOOK_SECRET": SECRET}
PATH = "/webhooks/unipile"
BODY = (
    b'{"id":"evt_1","type":"message.new","account_id":"acc_1","payload":{"text":"h\xc3\xa9 %s"}}'
    % IN_BODY.encode()
)
Client = TestClient[Any, Any]


Road = Literal["served", "embedded"]


class Served(BaseTestServer):
    """Listens as ``relay serve`` does, on a free port of the loopback."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        super().__init__(host="127.0.0.1")
        self._gateway = gateway
        self._settings = settings
        self._stack = AsyncExitStack()

    async def _make_runner(self, **_: Any) -> Any:
        raise NotImplementedError

    async def start_server(self, loop: asyncio.AbstractEventLoop | None = None, **_: Any) -> None:
        """Accept connections."""
        if self.port:
            return
        sockets = self._stack.enter_context(bound("127.0.0.1", 0))
        serving = serving_on(self._gateway, self._settings, sockets, idle_seconds=0)
        await self._stack.enter_async_context(serving)
        self.port = sockets[0].getsockname()[1]
        self._root = URL(f"http://127.0.0.1:{self.port}")

    async def close(self) -> None:
        """Stop as ``relay serve`` does, once."""
        await self._stack.aclose()


@dataclass(frozen=True)
class Running:
    """A gateway that serves, a client of it, and a client of its store."""

    gateway: Gateway
    client: Client
    store: Redis

    @property
    def port(self) -> int:
        """Where it listens."""
        port = self.client.server.port
        assert port is not None
        return port

    async def send(
        self, body: bytes, headers: Mapping[str, str] | None = None, path: str = PATH
    ) -> ClientResponse:
        """Send a signed delivery, and return the answer with its body read."""
        response = await self.client.post(
            path, data=body, headers={**signed(body), **(headers or {})}
        )
        await response.read()
        return response

    async def ask(self, path: str) -> tuple[int, Any]:
        """Give status and JSON of a page."""
        response = await self.client.get(path)
        return response.status, await response.json(content_type=None)

    async def events(
        self, event_type: str = "message.new", tag: str = "unipile"
    ) -> dict[str, Event]:
        """Give a stream's events by entry id."""
        raw: Any = await self.store.xrange(self.gateway_key(event_type, tag))
        return {entry_id.decode(): decode(fields) for entry_id, fields in raw}

    async def streams(self) -> set[str]:
        """Name all keys in the store but the dedupe index and what a start writes."""
        raw: Any = await self.store.keys("relay:{*")
        names = {name.decode() for name in raw}
        return {name.partition("}:")[2] for name in names if "}:" in name}

    @staticmethod
    def gateway_key(event_type: str, tag: str) -> str:
        """Name a stream, spelt out."""
        return f"relay:{{{tag}}}:{event_type}"


@asynccontextmanager
async def running(
    server: Server,
    toml: Mapping[str, Any] | None = None,
    *,
    endpoint: Mapping[str, Any] | None = None,
    road: Road = "served",
) -> AsyncIterator[Running]:
    """Run a gateway within the block.

    Args:
        server: Its store.
        toml: Settings as a file would have them.
        endpoint: Further settings of the endpoint ``unipile``.
        road: As ``relay serve`` listens, or as an application embedded in another program.
    """
    section = {"provider": "unipile", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]}
    defaults = {
        "redis": {"url": server.url},
        "endpoints": {"unipile": section | dict(endpoint or {})},
    }
    settings = Settings.load(ENVIRON, defaults | dict(toml or {}))
    gateway = Gateway(settings, build_endpoints(settings, ENVIRON))
    store = connect(server.url, role="test", connections=10)
    try:
        listener: BaseTestServer = (
            Served(gateway, settings)
            if road == "served"
            else TestServer(_ingress(gateway), host="127.0.0.1")
        )
        made: Client = TestClient(listener)
        async with made as client:
            yield Running(gateway, client, store)
    finally:
        await store.aclose()


async def until_status(gateway: Running, path: str, status: int) -> None:
    """Wait until a page answers with a status."""

    async def answers() -> bool:
        return (await gateway.ask(path))[0] == status

    await wait_until(answers, deadline_seconds=15, description=f"{path} answers {status}")


async def problem_of(response: ClientResponse) -> tuple[int, str]:
    """Give status and reason of a refusal, whose form is checked."""
    details = await response.json(content_type="application/problem+json")

    assert set(details) == {"type", "title", "status", "reason"}
    assert details["status"] == response.status
    assert response.headers["relay-request-id"]
    assert "relay-event-id" not in response.headers
    return response.status, details["reason"]


def body_of(event_id: object, event_type: object = "message.new") -> bytes:
    """Write an event object."""
    return json.dumps({"id": event_id, "type": event_type}).encode()
