"""What several modules about whole programs begin with."""

from collections.abc import AsyncIterator

import pytest

from consumers import Worker
from tests.consumers.making import GROUP
from tests.integration.gateways import Running, running
from tests.integration.workers import Handled
from tests.servers import Server


@pytest.fixture(params=["served", "embedded"])
async def gateway(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A gateway with an endpoint ``unipile``, by both roads."""
    async with running(server, road=request.param) as one:
        yield one


@pytest.fixture
def handled() -> Handled:
    """An empty worker and the list of what its handlers are given."""
    return Handled(Worker(group=GROUP))
