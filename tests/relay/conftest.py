"""The stores that appending is asked of alike: the one in memory, and real servers."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio import Redis

from relay.contract.cluster import look
from relay.contract.connect import connect
from tests.conftest import empty_server
from tests.fakes import fake_store
from tests.relay.appending import Bench, make_bench
from tests.servers import Server


@contextmanager
def store_url(name: str, get: Callable[[str], Server]) -> Iterator[str]:
    """Give the URL of an empty real server, looked through for stray keys afterwards."""
    lending = empty_server(get(name))
    yield next(lending).url
    for _ in lending:
        pass


@pytest.fixture(
    params=[
        "fake",
        pytest.param("valkey", marks=pytest.mark.redis),
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("valkey-cluster", marks=pytest.mark.redis),
    ]
)
async def client(
    request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]
) -> AsyncIterator[Redis]:
    """A client of an empty store: the one in memory, a real server, or a cluster of one."""
    if request.param == "fake":
        fake = fake_store()
        yield fake
        await fake.aclose()
        return
    with store_url(request.param, shared_servers) as url:
        real = connect(url, role="test", connections=20)
        await look(real)
        yield real
        await real.aclose()


@pytest.fixture
async def bench(client: Redis) -> AsyncIterator[Bench]:
    """An appender over an empty store."""
    made = make_bench(client)
    yield made
    await made.appender.stop()
