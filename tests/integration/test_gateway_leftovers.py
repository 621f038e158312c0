"""What is kept of senders that are gone: nothing."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from aiohttp.web import RequestHandler

from tests.integration.gateways import PATH, running
from tests.making import now
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

# aiohttp reads on for ten seconds after an answer to half a request.
SOONER_SECONDS = 8.0


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """Keep what refers to itself in a circle, so that it is seen."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def handlers() -> int:
    """Count the connections of which something is kept."""
    return sum(isinstance(one, RequestHandler) for one in gc.get_objects())


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("end", ["leaves", "is cut", "is refused and leaves"])
async def test_nothing_is_kept_of_a_sender_whose_body_never_ended(server: Server, end: str) -> None:
    """Its memory is free when it is gone: not seconds later, nor when the collector comes by."""
    async with running(server) as gateway:
        before, budget = handlers(), gateway.gateway.budget
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        signature = "" if "refused" in end else f"unipile-signature: t={now()},v0={'0' * 64}\r\n"
        head = f"POST {PATH} HTTP/1.1\r\nhost: relay\r\n{signature}content-length: 1000\r\n\r\n"
        writer.write(head.encode() + b"x" * 999)
        if "refused" not in end:
            await wait_until(lambda: budget.in_hand_bytes > 999, description="it is in hand")
        if end == "is cut":
            budget.cut_oldest()
        if end != "leaves":
            assert (await reader.readline()).split()[1] in {b"401", b"408"}
        if end == "is cut":
            await reader.read()  # stays for as long as it is let
        writer.transport.abort()

        await wait_until(
            lambda: handlers() == before,
            deadline_seconds=SOONER_SECONDS,
            description="nothing of it is kept",
        )
