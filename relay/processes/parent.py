"""The parent of the gateway processes: signals in, processes out.

It holds the listening socket, so that no connection is refused while a process is replaced, and
the admin listener. It never accepts a delivery, and ends only when all its children have.

Source: docs/adr/0013.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from relay.app import warn_of_settings
from relay.contract.errors import ConfigurationFault, RelayError
from relay.contract.frames import frames
from relay.contract.logs import configure_logs
from relay.contract.tally import text
from relay.http.admin import serving_admin
from relay.http.listening import listening
from relay.metrics.families import GATEWAY
from relay.processes.configuration import Configuration
from relay.processes.crew import Crew
from relay.processes.wishes import Wishes

# The parent's own, which stay as they were at the start.
FIXED_SETTINGS = ("host", "port", "admin_host", "admin_port", "log_format", "log_level")

Read = Callable[[], Configuration]

_log = structlog.get_logger("relay.processes")


async def serve(read: Read) -> None:
    """Run the gateway until SIGTERM or SIGINT, then finish what is in flight.

    SIGHUP reads the configuration anew and puts a new process in the place of each.

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
            reloading = asyncio.create_task(_reload_always(crew, configuration, read, wishes))
            await wishes.end.wait()
            _log.info("stopping")
            # From here on nothing is accepted; what a child has accepted, it answers.
            for one in sockets:
                one.close()
            reloading.cancel()
            await asyncio.wait({reloading, asyncio.create_task(crew.stop())})
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


async def _reload_always(
    crew: Crew, configuration: Configuration, read: Read, wishes: Wishes
) -> None:
    first = configuration
    while True:
        await wishes.reload.wait()
        wishes.reload.clear()
        try:
            await _reload(crew, first, read())
        except ConfigurationFault as error:
            _log.error("reload_refused", faults=list(error.faults))
        except (RelayError, OSError) as error:
            _log.error("reload_failed", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the edge: a bug here must not end the gateway
            _log.error("reload_failed", error=type(error).__name__, frames=frames(error))


async def _reload(crew: Crew, first: Configuration, configuration: Configuration) -> None:
    settings = configuration.settings
    _log.info("reloading", processes=settings.processes)
    for name in FIXED_SETTINGS:
        if getattr(settings, name) != getattr(first.settings, name):
            _log.warning("reload_needs_restart", setting=name)
    warn_of_settings(settings, configuration.environ)
    await crew.replace(configuration)
    _log.info("reloaded", processes=settings.processes)
