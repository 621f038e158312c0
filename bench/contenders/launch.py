"""Starts each contender as it would run in service, pinned to the servers' cores.

A place in, a running server out. What each of them does is said where it is written: ``bare.py``
(A), ``gateway.lua`` and ``nginx.conf`` (B), ``team.py`` (C), the relay itself (D).
"""

import os
import pwd
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contenders.contender import Contender
from bench.deliveries import endpoint_names
from bench.forms import secret_for
from bench.gateway import gateway
from bench.machine import Cores
from bench.processes import Program, free_port, listens, running
from bench.store import Durability, Store, durable, store
from bench.tools import path_of
from bench.unipile import secret_of
from relay.contract.keys import Keys

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


@dataclass(frozen=True, slots=True)
class Place:
    """Where contenders run.

    Args:
        directory: Their files and logs; on a disk.
        cores: Who runs on which.
    """

    directory: Path
    cores: Cores

    def own(self, name: str) -> Path:
        """Make a directory for one of them."""
        made = self.directory / name.replace(" ", "-")
        made.mkdir()
        return made

    def store(
        self, name: str, durability: Durability = "everysec"
    ) -> AbstractContextManager[Store]:
        """Have the store of one of them within a block."""
        called = f"{name.replace(' ', '-')}-store"
        return store(self.directory, durable(durability), name=called, on_cores=[self.cores.load])


Launch = Callable[[Place], AbstractContextManager[Contender]]


@contextmanager
def bare(place: Place) -> Iterator[Contender]:
    """Have contender A."""
    port = free_port()
    command = [sys.executable, "-m", "bench.contenders.bare", str(port)]
    with _started("A", command, place, port, {}) as program:
        yield Contender("A", program, port)


@contextmanager
def nginx(place: Place) -> Iterator[Contender]:
    """Have contender B."""
    port, own = free_port(), place.own("B")
    with place.store("B") as redis:
        values = {"port": port, "redis_port": redis.port, "here": _HERE, "user": _nginx_user()}
        text = (_HERE / "nginx.conf").read_text("utf-8")
        for name, value in values.items():
            text = text.replace(f"<{name}>", str(value))
        (own / "nginx.conf").write_text(text, "utf-8")
        command = [path_of("nginx"), "-p", str(own), "-c", "nginx.conf", "-e", "stderr"]
        secret = {"BENCH_SECRET": secret_of("unipile")}
        with _started("B", command, place, port, secret, own) as program:
            yield Contender("B", program, port, redis, "events:*")


@contextmanager
def team(place: Place) -> Iterator[Contender]:
    """Have contender C."""
    port = free_port()
    with place.store("C") as redis:
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        command = [sys.executable, "-m", "uvicorn", "bench.contenders.team:app", *options, *address]
        variables = {"BENCH_SECRET": secret_of("unipile"), "BENCH_REDIS_URL": redis.url}
        with _started("C", command, place, port, variables) as program:
            yield Contender("C", program, port, redis, "events:*")


def relay(
    durability: Durability = "everysec",
    *,
    endpoints: int = 1,
    processes: int = 1,
    name: str | None = None,
    senders: Sequence[str] = ("unipile",),
) -> Launch:
    """Describe contender D: the relay as it is shipped.

    Args:
        durability: Of its store.
        endpoints: How many it has of each sender.
        processes: How many take deliveries.
        name: What it is called; ``D <durability>`` by default.
        senders: Whose deliveries it takes.
    """
    called = name or f"D {durability}"

    @contextmanager
    def launch(place: Place) -> Iterator[Contender]:
        own = place.own(called)
        named = [(name, sender) for sender in senders for name in endpoint_names(endpoints, sender)]
        secrets = None if named == [("unipile", "unipile")] else _endpoints(own, named)
        with (
            place.store(called, durability) as redis,
            gateway(
                own,
                redis.port,
                processes=processes,
                secrets=secrets,
                on_cores=place.cores.servers,
            ) as made,
        ):
            streams = Keys().stream("*", "*")
            yield Contender(called, made.program, made.port, redis, streams, endpoints, senders[0])

    return launch


@contextmanager
def _started(
    name: str,
    command: Sequence[str],
    place: Place,
    port: int,
    variables: dict[str, str],
    directory: Path | None = None,
) -> Iterator[Program]:
    where = directory or place.own(name)
    paths = {"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with running(name, command, where, place.cores.servers, variables | paths) as program:
        program.wait_for(lambda: listens(port), f"listening on port {port}")
        yield program


def _endpoints(directory: Path, named: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Configure endpoints by name and sender, and give the variables with their secrets."""
    variables, sections = {}, []
    for name, sender in named:
        variable = f"SECRET_OF_{name.upper().replace('-', '_')}"
        variables[variable] = secret_for(sender, name)
        sections.append(
            f'[endpoints.{name}]\nprovider = "{sender}"\nsecrets = [{{ env = "{variable}" }}]\n'
        )
    (directory / "relay.toml").write_text("\n".join(sections), "utf-8")
    return variables


def _nginx_user() -> str:
    """Keep nginx from giving up the directory that it was started in, where we are root."""
    return f"user {pwd.getpwuid(0).pw_name};" if os.getuid() == 0 else ""
