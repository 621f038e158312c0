"""What the embedded server is told.

It keeps what it confirms: every write is on disk before it is answered, nothing is ever evicted,
and a file cut short by a crash is read as far as it goes.

Source: redis.conf, "Append only mode" and "Memory management"; docs/adr/0003.
"""

import os
from pathlib import Path

SHARE_OF_MEMORY = 0.25
LEAST_BYTES = 64 * 1024 * 1024
HOST = "127.0.0.1"

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def configuration(*, port: int, password: str, data: Path, max_memory_bytes: int) -> bytes:
    """Write the server's configuration file.

    Args:
        port: Where it listens, on loopback only.
        password: What a client must say.
        data: Where it keeps its files.
        max_memory_bytes: How much it may hold.
    """
    settings = {
        "bind": HOST,
        "port": str(port),
        "protected-mode": "yes",
        "requirepass": _quoted(password),
        "daemonize": "no",
        "dir": _quoted(str(data)),
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "no-appendfsync-on-rewrite": "no",
        "save": '""',
        "maxmemory": str(max_memory_bytes),
        "maxmemory-policy": "noeviction",
        "stream-node-max-bytes": "4096",
        "lazyfree-lazy-expire": "yes",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items()).encode()


def memory_share() -> int:
    """Say how many bytes the server may hold: a quarter of what this machine or container has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            total = min(total, int(path.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return max(int(SHARE_OF_MEMORY * total), LEAST_BYTES)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
