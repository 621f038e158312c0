"""Composition root: builds the gateway's parts, joins them, starts and stops them in order.

The only module that knows all the others, and the only one that reads the settings.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from relay.announce import Announcer
from relay.append import Appender, Limits, Observer
from relay.append.spread import make_appender
from relay.capacities import make_capacity
from relay.caps import StreamCaps
from relay.caps.report import CapReport
from relay.certificates import certificates_for
from relay.contract.cluster import is_cluster, warn_of_kind
from relay.contract.config import unknown_variables
from relay.contract.connect import COMMAND_TIMEOUT_SECONDS, connect
from relay.contract.duties import Duties
from relay.contract.keys import tags_of
from relay.contract.surroundings import with_running_dev
from relay.endpoint import Endpoint
from relay.handshake.make import make_handshakes
from relay.hold import Holder
from relay.http.admin import health
from relay.http.listen import open_files
from relay.http.pages import Page
from relay.metrics import Metrics, families
from relay.pipeline import Pipeline
from relay.ready import Readiness
from relay.receive import Budget, Receiver
from relay.receive.clients import Clients
from relay.receive.connections import Connections
from relay.receive.drain import CUT_SECONDS, DRAIN_IDLE_SECONDS, run_out
from relay.receive.notes import Notes
from relay.receive.refusals import RefusalLog
from relay.receive.routes import Ingress, add_routes
from relay.reconcile.book import ReconciledWatch
from relay.rejections import RejectionLog
from relay.rejections.judged import facts_of
from relay.reports import Reports
from relay.settings import Settings, build_endpoints, build_rates, load_settings
from relay.spool.directory import Directory
from relay.spool.place import judge_place
from relay.usage import Usage
from relay.warn import Warnings

if TYPE_CHECKING:
    from relay.spool.spooling import Spooling

# What a gateway opens beside senders' connections: logs, listeners, the store, the parent.
OWN_FILES = 64

_log = structlog.get_logger("relay.app")


class Gateway:
    """All parts of one gateway process.

    Args:
        settings: What the operator wants.
        endpoints: By name, with their secrets.
        processes: How many like this take deliveries side by side.
    """

    def __init__(
        self, settings: Settings, endpoints: Mapping[str, Endpoint], *, processes: int = 1
    ) -> None:
        url, keys = settings.redis_url, settings.keys
        # A store that hangs must not hold a delivery longer than the deadline.
        patience_seconds = min(COMMAND_TIMEOUT_SECONDS, settings.append_deadline_seconds)
        self._store = connect(url, role="append", timeout_seconds=patience_seconds)
        self._watcher = connect(url, role="watch", connections=3)
        self._duties = Duties()
        self.metrics = Metrics()
        self.capacity = make_capacity(self._watcher, self.metrics)
        tags = _tags(endpoints)
        self._caps = StreamCaps(
            self._watcher,
            keys,
            tags=tags,
            caps=settings.stream_caps,
            report=CapReport(keys, self.metrics),
        )
        self._announcer = Announcer(
            self._watcher,
            keys,
            tags,
            Holder(self._watcher, keys, settings.held_groups),
        )
        self._warnings = Warnings(self._watcher, settings.replicas)
        reports = Reports(self.metrics, self._announcer, self._warnings, self._caps)
        self._appender = self._make_appender(settings, tags, reports)
        self._spooling = reports.spooling = self._make_spooling(settings, processes)
        self._certificates = certificates_for(endpoints.values())
        self.readiness = Readiness(
            self.capacity, self._appender, self._announcer, has_spool=self._has_spool
        )
        self.budget = Budget.within(
            settings.body_budget_bytes,
            max_body_bytes=settings.max_body_bytes,
            body_seconds=settings.body_seconds,
        )
        self._usage = Usage(self._watcher, keys, endpoints)
        compared = [name for name, one in endpoints.items() if one.provider.name == "unipile"]
        self._reconciled = ReconciledWatch(self._watcher, keys, compared, self.metrics)
        self._rejections = RejectionLog(
            self._watcher,
            keys,
            list(endpoints),
            compare=facts_of,
            room=self.capacity,
            counts=self.metrics,
        )
        self.receiver = self._make_receiver(settings, endpoints, processes)
        self._watch()

    def _watch(self) -> None:
        """Have the gauges show what is, whenever they are read."""
        self.metrics.watch(families.WAITING_EVENTS, lambda: self._appender.waiting)
        self.metrics.watch(families.WAITING_BYTES, lambda: self._appender.waiting_bytes)
        self.metrics.watch(families.CLOSED_STREAMS, lambda: self._caps.closed)
        self.metrics.watch(families.BODY_BYTES, lambda: self.budget.in_hand_bytes)

    @property
    def pages(self) -> dict[str, Page]:
        """What answers a GET, by path."""
        return health(self.readiness.is_ready)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Live within the block; the store may be away at start."""
        self._duties.start("kind", lambda: warn_of_kind(self._watcher))
        self._duties.start("capacity", self.capacity.watch)
        self._duties.start("caps", self._caps.watch)
        self._duties.start("announce", self._announcer.run)
        self._duties.start("warn", self._warnings.run)
        self._duties.start("usage", self._usage.run)
        self._duties.start("rejections", self._rejections.run)
        self._duties.start("reconciled", self._reconciled.run)
        try:
            if self._spooling is not None:
                await self._spooling.start()
            yield
        finally:
            if self._spooling is not None:
                await self._spooling.stop()
            await self._appender.stop()
            await self._duties.stop()
            # What the last deliveries came to.
            await asyncio.gather(self._usage.flush(), self._rejections.flush())
            if self._certificates is not None:
                await self._certificates.stop()
            await self._store.aclose()
            await self._watcher.aclose()

    def _make_appender(
        self, settings: Settings, tags: Sequence[str], reports: Observer
    ) -> Appender:
        return make_appender(
            self._store,
            settings.keys,
            tags=tags,
            is_full_at=self.capacity.is_full_at,
            limits=Limits(streams=self._caps, deadline_seconds=settings.append_deadline_seconds),
            observer=reports,
            replicas=settings.replicas,
        )

    def _make_receiver(
        self, settings: Settings, endpoints: Mapping[str, Endpoint], processes: int
    ) -> Receiver:
        return Receiver(
            endpoints=endpoints,
            pipeline=Pipeline(
                self._spooling or self._appender,
                build_rates(settings, processes),
                self._certificates.attach if self._certificates is not None else None,
                make_handshakes(self._watcher, settings.keys, self._certificates),
                self.metrics,
                build_rates(settings, processes),
            ),
            budget=self.budget,
            clients=Clients(settings.trusted_proxies),
            notes=Notes(self.metrics, RefusalLog(), self._usage, self._rejections),
            max_body_bytes=settings.max_body_bytes,
        )

    def _has_spool(self) -> bool:
        return self._spooling is not None and self._spooling.takes_events

    def _make_spooling(self, settings: Settings, processes: int) -> "Spooling | None":
        """Put a spool beside the appender, where one is wanted; else nothing stands between."""
        if settings.spool.directory is None:
            return None
        # Only here, since SQLite is not needed by most, and not in every build of Python.
        from relay.spool.look_up import LookUp  # noqa: PLC0415
        from relay.spool.make import make_spooling  # noqa: PLC0415

        return make_spooling(
            self._appender,
            LookUp(self._store, settings.keys, settings.replicas),
            self.metrics,
            path=settings.spool.directory,
            max_bytes=settings.spool.max_bytes // processes,
            spread=is_cluster(self._store),
        )


def _tags(endpoints: Mapping[str, Endpoint]) -> list[str]:
    return [
        tag
        for endpoint in endpoints.values()
        for tag in tags_of(endpoint.name, endpoint.partitions)
    ]


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


def warn_of_settings(settings: Settings, environ: Mapping[str, str]) -> None:
    """Say what can be used but is most likely not meant."""
    for name in unknown_variables(Settings, environ):
        _log.warning("unknown_variable", name=name, advice="look for a misspelling")
    if settings.spool.directory is not None:
        for doubt in judge_place(Directory(settings.spool.directory), settings.spool.max_bytes):
            _log.warning("spool_place_doubtful", found=doubt.found, advice=doubt.advice)
    for name, section in settings.endpoints.items():
        if section.dry_run:
            advice = "set dry_run = false before anything counts on it"
            _log.warning("dry_run", endpoint=name, advice=advice)
    if not settings.endpoints:
        _log.warning("no_endpoints", advice="set UNIPILE_WEBHOOK_SECRET, or write relay.toml")


@asynccontextmanager
async def serving_on(
    gateway: Gateway,
    settings: Settings,
    sockets: Sequence[socket.socket],
    *,
    idle_seconds: float = DRAIN_IDLE_SECONDS,
) -> AsyncIterator[None]:
    """Take deliveries within the block, and at its end answer those that are here.

    Args:
        gateway: Takes them; it lives as long as the block.
        settings: How many connections, and how long deliveries in flight may go on.
        sockets: They listen; closed at the end of the block, before anything else.
        idle_seconds: How long connections that say nothing are kept then.
    """
    ingress = Ingress(gateway.receiver, gateway.pages)
    connections = Connections(
        ingress,
        gateway.budget,
        gateway.metrics,
        limit=_most_connections(settings.max_connections),
        idle_seconds=settings.idle_seconds,
    )
    gateway.metrics.watch(families.CONNECTIONS, lambda: connections.count)
    runner = web.ServerRunner(connections, shutdown_timeout=CUT_SECONDS)
    async with gateway.running():
        await runner.setup()
        connections.accept_on(sockets)
        try:
            yield
        finally:
            connections.stop_accepting()
            for listening in sockets:
                listening.close()
            ingress.drain()
            try:
                await run_out(connections, idle_seconds, settings.grace_seconds)
            finally:
                await runner.cleanup()


def _most_connections(wanted: int) -> int:
    """Give as many connections as are wanted, or as this process may have."""
    most = max(1, open_files() - OWN_FILES)
    if most < wanted:
        _log.warning("connections_limited", wanted=wanted, most=most, advice="raise ulimit -n")
    return min(most, wanted)


def _build(settings: Settings | None, environ: Mapping[str, str] | None) -> Gateway:
    if environ is None:
        environ = with_running_dev(os.environ, Path())
    if settings is None:
        settings = load_settings(environ)
    if settings.spool.directory is not None:
        Directory(settings.spool.directory).prepare()
    return Gateway(settings, build_endpoints(settings, environ))


def _ingress(gateway: Gateway) -> web.Application:
    # aiohttp would unpack compressed bodies: other bytes than were signed, and bombs.
    app = web.Application(handler_args={"auto_decompress": False})

    async def run(_: web.Application) -> AsyncIterator[None]:
        async with gateway.running():
            yield

    app.cleanup_ctx.append(run)
    add_routes(app, gateway.receiver, gateway.pages)
    return app
