"""The relay as its own command starts it, as a process of its own.

A store and options in, a gateway that answers out. It measures nothing by itself.
"""

import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Program, free_port, running
from bench.unipile import secret_of


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway.

    Args:
        program: The process that was started, and has others below it.
        port: Where it takes deliveries on loopback.
        admin_port: Its metrics.
    """

    program: Program
    port: int
    admin_port: int

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        return self.program.pid

    def answers(self) -> bool:
        """Tell whether a delivery could be taken now."""
        with suppress(OSError):
            return self._get(self.port, "/readyz") != ""
        return False

    def gauges(self, *names: str) -> dict[str, float]:
        """Read some metrics without labels; one that is not there is left out.

        Returns:
            Nothing where the gateway does not answer: that is no fault of what it is asked for.
        """
        found: dict[str, float] = {}
        try:
            text = self._get(self.admin_port, "/metrics")
        except OSError:
            return found
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name in names:
                found[name] = float(value)
        return found

    def _get(self, port: int, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


@contextmanager
def gateway(
    directory: Path,
    redis_port: int,
    *,
    processes: int = 1,
    port: int = 0,
    secrets: Mapping[str, str] | None = None,
    on_cores: Sequence[int] = (),
) -> Iterator[Gateway]:
    """Have the gateway within the block, once it answers.

    Args:
        directory: Where it runs, and finds its ``relay.toml`` if it has one.
        redis_port: Its store, on loopback.
        processes: How many take deliveries.
        port: Its ingress; a free one by default.
        secrets: Variables with the secrets of its endpoints; by default it has one, ``unipile``.
        on_cores: Its cores; all by default.
    """
    port, admin_port = port or free_port(), free_port()
    options = {"port": port, "admin-port": admin_port, "processes": processes}
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [str(Path(sys.executable).parent / "relay"), "serve", *words]
    variables = {
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        **(secrets or {"UNIPILE_WEBHOOK_SECRET": secret_of("unipile")}),
    }
    with running("gateway", command, directory, on_cores, variables) as program:
        made = Gateway(program, port, admin_port)
        program.wait_for(made.answers, "that it is ready")
        yield made
