"""What memory a process and its children have, as the kernel counts it.

A process id in, bytes out. It never changes a process, but for the mark of its peak.

Source: https://docs.kernel.org/filesystems/proc.html (stat, status, clear_refs)
"""

from collections import defaultdict
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """List the processes that a process started and that still run, oldest first."""
    return sorted(_by_parent()[pid])


def tree(pid: int) -> list[int]:
    """List a process and all that descend from it."""
    by_parent = _by_parent()
    found, ahead = [], [pid]
    while ahead:
        found.append(ahead.pop())
        ahead += by_parent[found[-1]]
    return found


def resident_by_process(pid: int) -> dict[int, int]:
    """Say how much memory each running process of a tree has resident now, in bytes."""
    found = {one: _status_bytes(one, "VmRSS:") for one in tree(pid)}
    return {one: size_bytes for one, size_bytes in found.items() if size_bytes}


def resident_bytes(pid: int) -> int:
    """Say how much memory of a tree is resident now, pages that are shared counted for each."""
    return sum(resident_by_process(pid).values())


def peak_bytes(pid: int) -> int:
    """Say how much memory was resident at most, summed over those of a tree that run now."""
    return sum(_status_bytes(one, "VmHWM:") for one in tree(pid))


def forget_peak(pid: int) -> None:
    """Let the peak of a tree begin anew from what is resident now."""
    for one in tree(pid):
        with suppress(OSError):
            Path(f"/proc/{one}/clear_refs").write_text("5", "ascii")


def _by_parent() -> defaultdict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _text_of(entry / "stat")):
            # After the name in brackets, which may hold anything: state, parent, …
            found[int(fields.rpartition(")")[2].split()[1])].append(int(entry.name))
    return found


def _status_bytes(pid: int, key: str) -> int:
    status = _text_of(Path(f"/proc/{pid}/status"))
    lines = (line.split() for line in status.splitlines() if line.startswith(key))
    return 1024 * sum(int(words[1]) for words in lines)


def _text_of(path: Path) -> str:
    """Read what there is of a process; of one that just ended there is nothing."""
    with suppress(OSError):
        return path.read_text("ascii", "replace")
    return ""
