"""What the figures were measured on: machine, kernel, versions, commit.

Nothing comes in, a table goes out. It never names the machine or its owner.
"""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("aiohttp", "redis", "hiredis", "msgspec", "uvloop")


def describe() -> dict[str, object]:
    """Describe the machine and every program that takes part."""
    return {
        "cpu": _line_of("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _line_of("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "versions": _versions(),
        "commit": _commit(),
    }


def _line_of(path: str, key: str) -> str:
    for line in Path(path).read_text("utf-8", "replace").splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "–"
    number = re.search(r"v=([\d.]+)", _said("redis-server", "--version"))
    found["redis-server"] = number[1] if number else "–"
    return found


def _commit() -> str:
    """Name the commit that was measured; a plus says that files differed from it."""
    commit = _said("git", "rev-parse", "--short", "HEAD").strip()
    changed = _said("git", "status", "--porcelain", "--", "relay", "bench/holds").strip()
    return f"{commit}+" if commit and changed else commit or "–"


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout
