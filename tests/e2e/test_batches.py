"""A gateway that is killed within a body of a thousand events; all are there after a retry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from relay.several import AT_ONCE
from tests.conftest import StartServer
from tests.integration.batches import PATH, TOML, TYPES, array_of, elements_of, signature
from tests.programs import GatewayProgram, gateway
from tests.proxy import Proxy, proxy_to
from tests.servers import NAMES, Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

ELEMENTS = elements_of("evt")
BODY = array_of(ELEMENTS)


def stored(server: Server) -> list[bytes]:
    """Give what all entries hold, in the order of the body."""
    entries = [fields for one in TYPES for _, fields in server.entries(f"relay:{{many}}:{one}")]
    return [fields[b"data"] for fields in sorted(entries, key=lambda fields: fields[b"id"])]


async def post(program: GatewayProgram) -> int:
    """Send the body; 0 where no answer came."""
    url = f"http://127.0.0.1:{program.port}{PATH}"
    try:
        async with (
            aiohttp.ClientSession() as sending,
            sending.post(url, data=BODY, headers=signature(BODY)) as answer,
        ):
            await answer.read()
            return answer.status
    except aiohttp.ClientError:
        return 0


async def until_accepted(program: GatewayProgram) -> None:
    """Send the body as its sender does, until it is answered 200."""

    async def accepted() -> bool:
        return await post(program) == 200

    await wait_until(accepted, deadline_seconds=30, description="it is answered 200")


# The server is never ended here, so one kind of it says all.
@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A server of the test's own."""
    return start_server(NAMES[0], "everysec")


@asynccontextmanager
async def behind_proxy(
    directory: Path, server: Server, settings: str = ""
) -> AsyncIterator[tuple[GatewayProgram, Proxy, asyncio.Event]]:
    """Have a gateway whose store says no more from the third part of a body on, and be told."""
    (directory / "relay.toml").write_text(settings + TOML, "utf-8")
    told = asyncio.Event()
    with ExitStack() as stack:
        async with proxy_to(server.port) as proxy:

            def fall_silent() -> None:
                proxy.swallow()
                told.set()

            program = await asyncio.to_thread(stack.enter_context, gateway(directory, proxy.url))
            proxy.watch(b"evt-%04d" % (2 * AT_ONCE + 5), fall_silent)
            yield program, proxy, told


async def test_a_gateway_killed_between_two_flushes_leaves_each_once_after_a_retry(
    server: Server, tmp_path: Path
) -> None:
    """A part of the body is stored, its sender has no answer, and sends it again."""
    async with behind_proxy(tmp_path, server) as (program, _, told):
        sent = asyncio.create_task(post(program))
        await told.wait()
        program.kill()
        status, part = await sent, stored(server)
    with gateway(tmp_path, server.url, name="next") as program:
        await until_accepted(program)

    assert status == 0
    assert part == ELEMENTS[: 2 * AT_ONCE]
    assert stored(server) == ELEMENTS


async def test_a_gateway_killed_with_a_part_on_its_disk_leaves_each_once(
    server: Server, tmp_path: Path
) -> None:
    """It said 200, so all must follow; and who sends the body again doubles nothing."""
    settings = 'append_deadline_seconds = 1\n[spool]\ndirectory = "spool"\n'
    async with behind_proxy(tmp_path, server, settings) as (program, _, _):
        status = await post(program)
        program.kill()
        part = stored(server)
    with gateway(tmp_path, server.url, name="next") as program:
        await until_accepted(program)
        await wait_until(
            lambda: "\nrelay_spool_events 0" in program.metrics(), description="it is drained"
        )

    assert status == 200
    assert part == ELEMENTS[: 2 * AT_ONCE]
    assert stored(server) == ELEMENTS
