"""The gateway of ``relay dev``: in this process, and on a reload another one in its place.

The listening sockets stay, so that no connection is refused meanwhile; a configuration that cannot
be used changes nothing. A gateway that is to be replaced without a pause, and by itself, runs under
``relay serve``.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from relay.app import Gateway, serving_on, warn_of_settings
from relay.contract.duties import Duties
from relay.contract.errors import ConfigurationFault
from relay.contract.ready import Ready
from relay.http.admin import serving_admin
from relay.http.listen import bound, say_where
from relay.processes.reloading import FIXED_SETTINGS
from relay.processes.requests import Asked, Requests
from relay.settings import Settings, build_endpoints
from relay.spool.directory import Directory

if TYPE_CHECKING:
    from relay.contract.reload import Outcome

_log = structlog.get_logger("relay.processes")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a gateway listens; the ports are real ones, also where 0 asked for any.

    Args:
        port: Deliveries.
        admin_port: Metrics and health.
    """

    port: int
    admin_port: int


class _Place:
    """Where one gateway after the other takes deliveries.

    Args:
        sockets: They listen, from before the first to after the last.
        read: Reads the configuration anew.
        environ: Where secrets are looked up.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        read: Callable[[], Settings],
        environ: Mapping[str, str],
    ) -> None:
        self._sockets = sockets
        self._read = read
        self._environ = environ
        self._serving = AsyncExitStack()
        self._gateway: Gateway | None = None
        self._first: Settings | None = None
        self._asked: asyncio.Queue[Asked] = asyncio.Queue()

    def wish(self, asked: Asked) -> None:
        """Take note that somebody wants a reload, and waits for what becomes of it."""
        self._asked.put_nowait(asked)

    async def take_over(self, settings: Settings) -> None:
        """Put a gateway in the place of the one that there is.

        Raises:
            ConfigurationFault: A secret cannot be read.
        """
        if settings.spool.directory is not None:
            Directory(settings.spool.directory).prepare()
        gateway = Gateway(settings, build_endpoints(settings, self._environ))
        # Senders are on this machine: they need not be waited for.
        serving = AsyncExitStack()
        own = [one.dup() for one in self._sockets]
        await serving.enter_async_context(serving_on(gateway, settings, own, idle_seconds=0))
        before, self._serving, self._gateway = self._serving, serving, gateway
        self._first = self._first or settings
        await before.aclose()
        warn_of_settings(settings, self._environ)

    async def reload(self) -> None:
        """Do for ever what is asked for, one reload at a time."""
        while True:
            asked = await self._asked.get()
            outcome: Outcome = "failed"
            faults: tuple[str, ...] = ()
            try:
                await self._take_over_anew()
                outcome = "taken_over"
            except ConfigurationFault as error:
                _log.error("reload_refused", faults=list(error.faults))
                outcome, faults = "refused", error.faults
            finally:
                await asked.answer(outcome, faults)

    async def stop(self) -> None:
        """Accept nothing more, and finish what is in flight."""
        for one in self._sockets:
            one.close()
        await self._serving.aclose()

    async def is_ready(self) -> Ready:
        """Tell whether a delivery could be taken now."""
        return False if self._gateway is None else await self._gateway.readiness.is_ready()

    async def text(self) -> bytes:
        """Give the metrics; they begin anew with each gateway."""
        return b"" if self._gateway is None else self._gateway.metrics.text()

    async def _take_over_anew(self) -> None:
        settings = self._read()
        _log.info("reloading", processes=1)
        for name in FIXED_SETTINGS:
            if getattr(settings, name) != getattr(self._first, name):
                _log.warning("reload_needs_restart", setting=name)
        await self.take_over(settings)
        _log.info("reloaded", processes=1)


@asynccontextmanager
async def serving(
    settings: Settings, read: Callable[[], Settings], environ: Mapping[str, str]
) -> AsyncIterator[Listening]:
    """Take deliveries within the block, with another configuration whenever that is asked for.

    Args:
        settings: Those to begin with.
        read: Reads them anew.
        environ: Where secrets are looked up.

    Yields:
        Where the gateway listens.

    Raises:
        ConfigurationFault: A secret cannot be read.
        OSError: An address is not free.
    """
    async with AsyncExitStack() as stack:
        sockets = stack.enter_context(bound(settings.host, settings.port))
        admin = stack.enter_context(bound(settings.admin_host, settings.admin_port))
        place = _Place(sockets, read, environ)
        await place.take_over(settings)
        stack.push_async_callback(place.stop)
        await stack.enter_async_context(serving_admin(admin, place.is_ready, place.text))
        say_where(sockets, "ingress")
        say_where(admin, "admin")
        duties, requests = Duties(), Requests(place.wish)
        duties.start("reload", place.reload)
        stack.push_async_callback(duties.stop)
        await requests.listen_at(settings.redis_url, settings.keys)
        stack.push_async_callback(requests.stop)
        yield Listening(sockets[0].getsockname()[1], admin[0].getsockname()[1])
