"""What can be seen of a gateway's processes from outside."""

import os
import socket
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.programs import GatewayProgram

# On the module path, it takes part in every start of Python.
_NO_CHILD_STARTS = """
import pathlib, sys
if "relay.processes" in sys.orig_argv and pathlib.Path("no-child").exists():
    sys.exit("no child today")
"""


def hindrance(directory: Path) -> tuple[str, Path]:
    """Make what hinders every child of a gateway from starting.

    Returns:
        A value for ``PYTHONPATH``, and the file that must be there for it to have effect.
    """
    path = directory / "path"
    path.mkdir()
    (path / "sitecustomize.py").write_text(_NO_CHILD_STARTS)
    return str(path), directory / "no-child"


def metrics(program: GatewayProgram) -> dict[str, float]:
    """Give all metrics by name and labels."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{program.admin_port}/metrics", timeout=5
    ) as answer:
        lines = answer.read().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }


def stored(program: GatewayProgram) -> float:
    """Give the number of deliveries stored, by its own account."""
    name = 'relay_deliveries_total{endpoint="unipile",outcome="stored"}'
    return metrics(program).get(name, 0.0)


def processes(program: GatewayProgram) -> float:
    """Give the number of processes that take deliveries, by its own account."""
    return metrics(program)["relay_processes"]


def answered_by(program: GatewayProgram) -> str:
    """Make a new connection, and give what the ids of the process that takes it begin with."""
    with urllib.request.urlopen(f"http://127.0.0.1:{program.port}/livez", timeout=5) as answer:
        return str(answer.headers["relay-request-id"].partition("-")[0])


def run_on(pids: list[int]) -> list[int]:
    """Give those that still run."""
    alive = []
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        alive.append(pid)
    return alive


def is_free(port: int) -> bool:
    """Tell whether a program could listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def sockets_of(pid: int) -> set[str]:
    """Name the sockets that a process holds; none where the system does not tell."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):  # closed while we looked
            found.add(entry.readlink().name)
    return {name for name in found if name.startswith("socket:")}
