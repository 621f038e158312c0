"""Composition root: builds the gateway's parts, joins them, starts and stops them in order.

The only module that knows all the others, and the only one that reads the settings.
"""

import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from relay.admin import add_health, admin_app, name_ourselves
from relay.announce import Announcer
from relay.append import Appender, Limits, Observer
from relay.capacity import Capacity
from relay.contract.config import unknown_variables
from relay.contract.connect import COMMAND_TIMEOUT_SECONDS, connect
from relay.contract.duties import Duties
from relay.contract.keys import tags_of
from relay.contract.surroundings import read_config_file, with_running_dev
from relay.drain import CUT_SECONDS, Drain
from relay.endpoint import Endpoint
from relay.hold import Holder
from relay.metrics import Metrics
from relay.metrics.tally import BODY_BYTES, WAITING_EVENTS
from relay.ready import Readiness
from relay.receive import Budget, Receiver
from relay.receive.refusals import RefusalLog
from relay.settings import Settings, build_endpoints

# Connections that the kernel holds until they are accepted.
BACKLOG = 1024

_log = structlog.get_logger("relay.app")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a gateway listens; the ports are real ones, also where 0 asked for any.

    Args:
        port: Deliveries.
        admin_port: Metrics and health.
    """

    port: int
    admin_port: int


class _Reports(Observer):
    """Sends what the appender reports to the counters and to whom it concerns."""

    def __init__(self, metrics: Metrics, announcer: Announcer) -> None:
        self._metrics = metrics
        self._announcer = announcer

    def flushed(self, events: int, seconds: float) -> None:
        self._metrics.flushed(events, seconds)

    def misplaced(self, tag: str) -> None:
        self._metrics.misplaced(tag)

    def changed_body(self, tag: str) -> None:
        self._metrics.changed_body(tag)
        _log.warning("changed_body_dropped", tag=tag)

    def registered(self, tag: str, event_type: str) -> None:
        self._announcer.registered(tag, event_type)

    def connected(self) -> None:
        self._announcer.connected()
        _log.info("store_answers_again")


class Gateway:
    """All parts of one gateway process.

    Args:
        settings: What the operator wants.
        endpoints: By name, with their secrets.
    """

    def __init__(self, settings: Settings, endpoints: Mapping[str, Endpoint]) -> None:
        url, keys = settings.redis_url, settings.keys
        # A store that hangs must not hold a delivery longer than the deadline.
        patience_seconds = min(COMMAND_TIMEOUT_SECONDS, settings.append_deadline_seconds)
        self._store = connect(url, role="append", timeout_seconds=patience_seconds)
        self._watcher = connect(url, role="watch")
        self._duties = Duties()
        self.metrics = Metrics()
        self.capacity = Capacity(self._watcher, self.metrics)
        self._announcer = Announcer(
            self._watcher,
            keys,
            [
                tag
                for endpoint in endpoints.values()
                for tag in tags_of(endpoint.name, endpoint.partitions)
            ],
            Holder(self._watcher, keys, settings.held_groups),
        )
        self._appender = Appender(
            self._store,
            keys,
            limits=Limits(deadline_seconds=settings.append_deadline_seconds),
            observer=_Reports(self.metrics, self._announcer),
            is_full=lambda: self.capacity.is_full,
        )
        self.readiness = Readiness(self.capacity, self._appender, self._announcer)
        # What the allocator needs beside the bodies comes out of the same budget.
        self._budget = Budget(
            max(settings.max_body_bytes, settings.body_budget_bytes * 7 // 8),
            max_body_bytes=settings.max_body_bytes,
            body_seconds=settings.body_seconds,
        )
        self.receiver = Receiver(
            endpoints=endpoints,
            appender=self._appender,
            budget=self._budget,
            metrics=self.metrics,
            max_body_bytes=settings.max_body_bytes,
            refusals=RefusalLog(),
        )
        self.metrics.watch(WAITING_EVENTS, lambda: self._appender.waiting)
        self.metrics.watch(BODY_BYTES, lambda: self._budget.in_hand_bytes)

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Live as long as the application does; the store may be away at start."""
        self._duties.start("capacity", self.capacity.watch)
        self._duties.start("announce", self._announcer.run)
        yield
        await self._appender.stop()
        await self._duties.stop()
        await self._store.aclose()
        await self._watcher.aclose()


def create_app(
    settings: Settings | None = None, environ: Mapping[str, str] | None = None
) -> web.Application:
    """Make the ingress application, to be served by aiohttp or embedded in another program.

    Args:
        settings: Built by `Settings.load`; by default from ``relay.toml`` and the environment.
        environ: Where secrets are looked up; the process's environment by default.

    Raises:
        ConfigurationFault: Settings or secrets are wrong, all of them named.
    """
    return _ingress(_build(settings, environ))


def load_settings(environ: Mapping[str, str], **options: object) -> Settings:
    """Read the settings from where the program was started.

    Args:
        environ: Environment variables.
        options: What the command line said; ``None`` means it said nothing.
    """
    toml = read_config_file(environ, Path())
    given = {name: value for name, value in options.items() if value is not None}
    return Settings.load(environ, toml, given)


def warn_of_settings(settings: Settings, environ: Mapping[str, str]) -> None:
    """Say what can be used but is most likely not meant."""
    for name in unknown_variables(Settings, environ):
        _log.warning("unknown_variable", name=name, advice="look for a misspelling")
    if not settings.endpoints:
        _log.warning("no_endpoints", advice="set UNIPILE_WEBHOOK_SECRET, or write relay.toml")


@asynccontextmanager
async def serving(settings: Settings, environ: Mapping[str, str]) -> AsyncIterator[Listening]:
    """Listen within the block; at its end finish what is in flight.

    Yields:
        Where the gateway listens.

    Raises:
        ConfigurationFault: A secret cannot be read.
        OSError: An address is not free.
    """
    gateway = _build(settings, environ)
    ingress = web.AppRunner(
        _ingress(gateway), access_log=None, shutdown_timeout=settings.grace_seconds
    )
    admin = web.AppRunner(_admin(gateway), access_log=None)
    try:
        admin_port = await _listen(admin, settings.admin_host, settings.admin_port, "admin")
        port = await _listen(ingress, settings.host, settings.port, "ingress")
        warn_of_settings(settings, environ)
        yield Listening(port, admin_port)
    finally:
        await ingress.cleanup()
        await admin.cleanup()


@asynccontextmanager
async def serving_on(
    gateway: Gateway, sockets: Sequence[socket.socket], grace_seconds: float
) -> AsyncIterator[None]:
    """Take deliveries on sockets that listen already; at the end of the block let them run out.

    Args:
        gateway: What takes them.
        sockets: Closed at the end of the block, before anything else.
        grace_seconds: How long deliveries in flight may go on after that.
    """
    app = _ingress(gateway)
    drain = Drain(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CUT_SECONDS)
    try:
        await runner.setup()
        for one in sockets:
            await web.SockSite(runner, one, backlog=BACKLOG).start()
        yield
        await drain.run_out(runner, grace_seconds)
    finally:
        await runner.cleanup()


def _build(settings: Settings | None, environ: Mapping[str, str] | None) -> Gateway:
    if environ is None:
        environ = with_running_dev(os.environ, Path())
    if settings is None:
        settings = load_settings(environ)
    return Gateway(settings, build_endpoints(settings, environ))


def _ingress(gateway: Gateway) -> web.Application:
    # aiohttp would unpack compressed bodies: other bytes than were signed, and bombs.
    app = web.Application(handler_args={"auto_decompress": False})
    app.on_response_prepare.append(name_ourselves)
    app.cleanup_ctx.append(gateway.run)
    gateway.receiver.add_routes(app)
    add_health(app, gateway.readiness.is_ready)
    return app


def _admin(gateway: Gateway) -> web.Application:
    async def text() -> bytes:
        return gateway.metrics.text()

    return admin_app(gateway.readiness.is_ready, text)


async def _listen(runner: web.AppRunner, host: str, port: int, role: str) -> int:
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    for address in runner.addresses:
        _log.info("listening", role=role, host=address[0], port=address[1])
    return int(runner.addresses[0][1])
