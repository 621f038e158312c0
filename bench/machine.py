"""What the figures were measured on: machine, kernel, versions. Nothing that names its owner."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.failures import TooFewCores
from bench.tools import find

_PACKAGES = ("aiohttp", "redis", "hiredis", "msgspec", "uvloop", "fastapi", "uvicorn", "httptools")
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


def describe() -> dict[str, object]:
    """Describe the machine and every program that takes part."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "versions": _versions(),
        "commit": _commit(),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "–"
    for tool, (option, pattern) in _TOOLS.items():
        path = find(tool)
        said = _said([path, option]) if path else ""
        number = re.search(pattern, said)
        found[tool] = number[1] if number else "–"
    return found


def _commit() -> str:
    """Name the commit that was measured; a plus says that files differed from it."""
    commit = _said(["git", "rev-parse", "--short", "HEAD"]).strip()
    changed = _said(["git", "status", "--porcelain", "--", "relay", "bench"]).strip()
    return f"{commit}{'+' if changed else ''}" or "–"


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr
