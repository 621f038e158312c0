"""What the figures were measured on: machine, kernel, versions. Nothing that names its owner."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.failures import TooFewCores
from bench.tools import find

# What the relay is made of, and what it is compared with.
OURS = ("aiohttp", "redis", "hiredis", "msgspec", "uvloop")
OTHERS = ("fastapi", "uvicorn", "httptools")
# Tool -> how it says its version, and where in that the number is.
_TOOLS = {
    "nginx": ("-v", r"nginx/([\d.]+)"),
    "redis-server": ("--version", r"v=([\d.]+)"),
    "wrk": ("-v", r"wrk \S*?([\d.]+\S*)"),
}


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where.

    Args:
        servers: Those of the programs that are measured.
        load: That of the stores and the sender.
    """

    servers: tuple[int, ...]
    load: int


def cores(wanted: int = 1) -> Cores:
    """Share the machine out: the last core for stores and sender, others for the servers.

    Args:
        wanted: How many cores the servers would like; they get fewer where there are fewer.

    Raises:
        TooFewCores: There is only one.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise TooFewCores("two cores are needed: one for the server, one for Redis and sender")
    return Cores(tuple(usable[: min(wanted, len(usable) - 1)]), usable[-1])


def describe(
    packages: Sequence[str] = OURS,
    tools: Sequence[str] = ("redis-server",),
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Describe the machine and every program that takes part.

    Args:
        packages: Those of Python.
        tools: Those that are no Python.
        elsewhere: Versions of what is in an environment of its own.
    """
    return {
        "cpu": _line_of("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _line_of("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "versions": _versions(packages, tools) | dict(elsewhere or {}),
        "commit": _commit(),
    }


def version_of(package: str, python: str) -> str:
    """Give the version of a package in another environment.

    Args:
        package: Its name.
        python: That environment's interpreter.
    """
    code = f"import importlib.metadata as found; print(found.version({package!r}))"
    said = _said(python, "-c", code).strip()
    return said if re.fullmatch(r"[\w.+!-]+", said) else "–"


def _line_of(path: str, key: str) -> str:
    for line in Path(path).read_text("utf-8", "replace").splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""


def _versions(packages: Sequence[str], tools: Sequence[str]) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "–"
    for tool in tools:
        path, (option, pattern) = find(tool), _TOOLS[tool]
        number = re.search(pattern, _said(path, option)) if path else None
        found[tool] = number[1] if number else "–"
    return found


def _commit() -> str:
    """Name the commit that was measured; a plus says that files differed from it."""
    commit = _said("git", "rev-parse", "--short", "HEAD").strip()
    # The lines of another benchmark do not change what is measured.
    measured = ("relay", "consumers", "bench", ":!bench/results")
    changed = _said("git", "status", "--porcelain", "--", *measured).strip()
    return f"{commit}{'+' if changed else ''}" or "–"


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr
