"""The disk under the stores: what file system it is, and how long it takes to confirm a write.

A directory in, names and times out. A file system in memory is refused: it would make every
durability look free.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.failures import UnfitFileSystem
from bench.statistic import percentile

# Each confirms a write without a disk, or hides which disk is under it.
_REFUSED = frozenset({"tmpfs", "ramfs", "overlay", "devtmpfs"})
_WRITES = 300
_WRITE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How long the disk takes to confirm 4 KiB appended to a file (fdatasync, as Redis does).

    Args:
        p50_ms: Half of the writes took at most this.
        p99_ms: 99 of 100 took at most this.
    """

    p50_ms: float
    p99_ms: float


def file_system(directory: Path, mounts: str | None = None) -> str:
    """Name the type of the file system that holds a directory.

    Args:
        directory: An existing one.
        mounts: Text of ``/proc/self/mountinfo``; the kernel's by default.

    Raises:
        UnfitFileSystem: It is one in memory, or a container's layers.
    """
    text = Path("/proc/self/mountinfo").read_text("utf-8") if mounts is None else mounts
    found, longest = "unknown", -1
    for line in text.splitlines():
        fields, _, tail = line.partition(" - ")
        point = Path(fields.split(" ")[4].replace("\\040", " "))
        depth = len(point.parts)
        # The last of several mounts on one point is the one that is seen.
        if directory.resolve().is_relative_to(point) and depth >= longest:
            found, longest = tail.split(" ")[0], depth
    if found in _REFUSED:
        raise UnfitFileSystem(
            f"{directory} is on {found}: give a directory on a disk with --directory"
        )
    return found


def confirmation(directory: Path) -> Confirmation:
    """Measure how long the disk takes to confirm a write, 300 times."""
    path = directory / "fsync-probe"
    block, took_ms = os.urandom(_WRITE_BYTES), []
    with path.open("wb", buffering=0) as file:
        for _ in range(_WRITES):
            start = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            took_ms.append(1000 * (time.perf_counter() - start))
    path.unlink()
    return Confirmation(round(percentile(took_ms, 50), 3), round(percentile(took_ms, 99), 3))
