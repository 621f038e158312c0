"""The parent of the gateway processes: signals and requests in, processes out.

It holds the listening socket, so that no connection is refused while a process is replaced, and
the admin listener. It never accepts a delivery, and ends only when all its children have.

Source: docs/adr/0013.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from relay.app import warn_of_settings
from relay.contract.logs import configure_logs
from relay.contract.tally import text
from relay.http.admin import serving_admin
from relay.http.listening import listening
from relay.metrics.families import GATEWAY
from relay.processes.crew import Crew
from relay.processes.reloading import Read, Reloader
from relay.processes.requests import Requests
from relay.processes.wishes import Wishes

_log = structlog.get_logger("relay.processes")


async def serve(read: Read) -> None:
    """Run the gateway until SIGTERM or SIGINT, then finish what is in flight.

    SIGHUP, or a request over the store, reads the configuration anew and puts a new process in
    the place of each; a changed secret file does so with the same configuration.

    Args:
        read: Reads the configuration.

    Raises:
        ConfigurationFault: It is wrong at the start.
        OSError: An address is not free.
    """
    wishes = Wishes()
    configuration = read()
    settings = configuration.settings
    configure_logs(settings.log_format, log_level=settings.log_level)
    async with listening(settings.host, settings.port, "ingress") as sockets:
        crew = Crew(sockets, settings.log_format)
        async with _admin(crew, settings.admin_host, settings.admin_port):
            warn_of_settings(settings, configuration.environ)
            crew.begin(configuration)
            requests = Requests(wishes.reload)
            reloader = Reloader(crew, configuration, read, requests)
            reloading = asyncio.create_task(reloader.run(wishes))
            await wishes.end.wait()
            _log.info("stopping")
            # From here on nothing is accepted; what a child has accepted, it answers.
            for one in sockets:
                one.close()
            reloading.cancel()
            await asyncio.wait({reloading, asyncio.create_task(crew.stop())})
            await requests.stop()
    _log.info("stopped")


@asynccontextmanager
async def _admin(crew: Crew, host: str, port: int) -> AsyncIterator[None]:
    async def metrics() -> bytes:
        return text(await crew.tally(), GATEWAY)

    async with (
        listening(host, port, "admin") as sockets,
        serving_admin(sockets, crew.is_ready, metrics),
    ):
        yield
