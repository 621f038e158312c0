"""What a process and its children have cost: CPU time and peak memory, as the kernel counts them.

A process id in, numbers out. It never changes a process, but for the mark of its peak memory.

Source: https://docs.kernel.org/filesystems/proc.html (schedstat, stat, status, clear_refs)
"""

import os
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """List a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int(_stat(entry / "stat")[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, ahead = [], [root]
    while ahead:
        pid = ahead.pop()
        found.append(pid)
        ahead += children.get(pid, [])
    return found


def cpu_ns(root: int) -> int:
    """Give the CPU time of a process and its descendants so far, all threads, in ns.

    What a child used that has ended meanwhile is not in it.
    """
    return sum(_process_ns(pid) for pid in tree(root))


def forget_peak(root: int) -> None:
    """Let the peak of memory begin anew from what is in use now."""
    for pid in tree(root):
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def peak_bytes(root: int) -> int:
    """Give the most memory that was resident, summed over a process and its descendants."""
    return sum(_peaks(tree(root)))


def machine_busy_ns() -> int:
    """Give the CPU time that all processes of the machine have used so far, in clock ticks."""
    line = Path("/proc/stat").read_text("ascii").splitlines()[0]
    user, nice, system, _, _, irq, softirq, *_ = map(int, line.split()[1:])
    return _TICK_NS * (user + nice + system + irq + softirq)


def own_busy_ns() -> int:
    """Give the CPU time of this process, of all that run below it and of those that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_ns(os.getpid()) + int(1_000_000_000 * (ended.ru_utime + ended.ru_stime))


def strangers_ns() -> int:
    """Give the CPU time that everybody else on the machine has used so far."""
    return machine_busy_ns() - own_busy_ns()


def _peaks(pids: Iterable[int]) -> Iterable[int]:
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
                if line.startswith("VmHWM:"):
                    yield 1024 * int(line.split()[1])


def _process_ns(pid: int) -> int:
    try:
        return sum(
            int((task / "schedstat").read_text("ascii").split()[0])
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
    except (FileNotFoundError, ProcessLookupError):
        return _coarse_ns(pid)


def _coarse_ns(pid: int) -> int:
    """Count in clock ticks, where the kernel was built without scheduler statistics."""
    try:
        fields = _stat(Path(f"/proc/{pid}/stat"))
    except OSError:
        return 0
    return _TICK_NS * (int(fields[11]) + int(fields[12]))


def _stat(path: Path) -> list[str]:
    """Give the fields of ``stat`` after the name, which may hold anything."""
    return path.read_text("ascii", "replace").rpartition(")")[2].split()
