"""A stand-in, a client of its API with the right key, and a receiver of its deliveries."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from relay.unipile.stand_in import StandIn
from tests.relay.unipile.stand_in.receiving import Receiver

KEY = "a-key-of-a-test"


@pytest.fixture
async def unipile() -> AsyncIterator[StandIn]:
    """A stand-in with two accounts, which tries twice again at once."""
    async with StandIn(KEY, retry_seconds=[0.0, 0.0]) as one:
        one.add_account("acc_1", provider="linkedin", name="Grace Example")
        one.add_account("acc_2", provider="whatsapp", name="+49 30 5550 0100")
        yield one


@pytest.fixture
async def api(unipile: StandIn) -> AsyncIterator[ClientSession]:
    """A client with the key."""
    async with ClientSession(unipile.url, headers={"X-API-KEY": KEY}) as client:
        yield client


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on the loopback."""
    one = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", one.receive)
    async with TestServer(app) as server:
        one.url = str(server.make_url("/hook"))
        yield one
        one.ended.set()
