"""Stores for tests: in memory, and real servers that are started once or for one test."""

import gc
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from hypothesis import settings
from redis.asyncio import Redis

from relay.contract import logs
from relay.contract.connect import connect
from tests import rewriting, scanning
from tests.clusters import LoneCluster, SixNodes
from tests.permanent import keys_without_end
from tests.replicas import ReplicaSet, replicated
from tests.servers import NAMES, Durability, Server, find_binary

# The machine's load must not decide whether a property holds.
settings.register_profile("relay", deadline=None, max_examples=50)
# For whoever has changed what a property is about: --hypothesis-profile=thorough.
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("relay")

StartServer = Callable[..., Server]


def pytest_configure(config: pytest.Config) -> None:
    """Have every test fail that logs a secret."""
    scanning.pytest_configure(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Have the garbage collector pass over what is collected, which stays until the end.

    It would look at thousands of tests again and again.
    """
    gc.disable()
    try:
        worker = getattr(session.config, "workerinput", None)
        if worker and session.config.args == session.config.getini("testpaths"):
            rewriting.import_shared(worker)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out on a cluster what says of itself that it cannot run there."""
    marker = item.get_closest_marker("one_server")
    callspec = getattr(item, "callspec", None)
    on = {value for value in callspec.params.values() if value in NAMES} if callspec else set()
    if marker and any(name.endswith("-cluster") for name in on or NAMES):
        pytest.skip(marker.args[0])


@pytest.fixture(autouse=True)
def logs_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a command that is run in this process configure logs for its own test only.

    A logger that kept such a configuration would never be heard by a later test.
    """
    before, configure = structlog.get_config(), structlog.configure
    monkeypatch.setattr(logs, "debugging", False)
    monkeypatch.setattr(logs, "level", "info")

    def without_keeping(**settings: Any) -> None:
        configure(**settings | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_keeping)
    yield
    configure(**before)


def _make_server(
    name: str,
    directory: Path,
    durability: Durability = "none",
    options: Mapping[str, str] | None = None,
) -> Server:
    """Make a server, or with ``-cluster`` behind its name a cluster of one."""
    kind, _, form = name.partition("-")
    return (LoneCluster if form else Server)(_binary_or_skip(kind), directory, durability, options)


def _binary_or_skip(name: str) -> Path:
    binary = find_binary(name)
    if binary is None:
        pytest.skip(f"this machine has no {name} server")
    return binary


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Real servers that live as long as the test run, each started when first asked for."""
    running: dict[str, Server] = {}

    def get(name: str) -> Server:
        if name not in running:
            server = _make_server(name, tmp_path_factory.mktemp(name))
            running[name] = server
            server.start()
        return running[name]

    yield get
    for server in running.values():
        server.stop()


@pytest.fixture(params=NAMES)
def server(
    request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]
) -> Iterator[Server]:
    """A real server, empty; the test fails if it leaves a key that nothing will ever remove."""
    yield from empty_server(shared_servers(request.param))


def empty_server(server: Server) -> Iterator[Server]:
    """Lend a shared server to one test."""
    with server.client() as client:
        # Thousands of tests begin with it: in one turn.
        emptied = client.pipeline(transaction=False)
        emptied.config_set("maxmemory", 0)
        emptied.script_flush()
        emptied.flushall()
        emptied.execute()
        yield server
        client.config_set("maxmemory", 0)
        left = keys_without_end(client)

    assert left == [], "keys that nothing will ever remove"


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts servers of the test's own, which it may kill.

    ``start_server(name, durability, {"setting": "value"})``
    """
    started: list[Server] = []

    def start(
        name: str, durability: Durability = "always", options: Mapping[str, str] | None = None
    ) -> Server:
        directory = tmp_path_factory.mktemp(f"own-{name}")
        server = _make_server(name, directory, durability, options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(params=NAMES)
def own_server(request: pytest.FixtureRequest, start_server: StartServer) -> Iterator[Server]:
    """A real durable server of the test's own, which it may kill and start again."""
    server = start_server(request.param)
    yield server
    if server.is_running:
        server.wake_up()
        with server.client() as client:
            left = keys_without_end(client)

        assert left == [], "keys that nothing will ever remove"


def _beside_others(fixture_name: str, config: pytest.Config) -> Literal["module", "session"]:
    """Say for how long a cluster lives: idle servers watch each other, at others' expense."""
    del fixture_name
    return "module" if hasattr(config, "workerinput") else "session"


@pytest.fixture(scope=_beside_others)
def shared_six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], SixNodes]]:
    """A cluster of six, started when first asked for.

    It lives as long as the test run, or, where tests run beside each other, as long as its module.
    """
    running: list[SixNodes] = []

    def get() -> SixNodes:
        if not running:
            made = SixNodes(_binary_or_skip(NAMES[-1]), tmp_path_factory.mktemp("six"))
            running.append(made)
            made.start()
        return running[0]

    yield get
    for cluster in running:
        cluster.stop()


@pytest.fixture
def six(shared_six: Callable[[], SixNodes]) -> Iterator[SixNodes]:
    """Three primaries with a replica each, empty; a server that a test kills is started again."""
    cluster = shared_six()
    cluster.mend()
    cluster.clear()
    yield cluster
    # One that was asleep takes the others for dead at first, and answers nothing.
    cluster.mend()
    left = [key for node in cluster.primaries for key in node.keys_without_end()]

    assert left == [], "keys that nothing will ever remove"


@pytest.fixture(params=NAMES)
async def replica_set(
    request: pytest.FixtureRequest, start_server: StartServer
) -> AsyncIterator[ReplicaSet]:
    """A primary with one replica of the test's own, on servers of one kind."""
    async with replicated(start_server, request.param) as made:
        yield made


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Redis]:
    """A client of `server`."""
    client = connect(server.url, role="test", connections=20)
    yield client
    await client.aclose()


@pytest.fixture
async def six_store(six: SixNodes) -> AsyncIterator[Redis]:
    """A client of `six`."""
    client = connect(six.url, role="test", connections=20)
    yield client
    await client.aclose()
