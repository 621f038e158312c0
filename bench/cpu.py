"""What CPU time a process, its children and everybody else have used, as the kernel counts it.

A process id in, nanoseconds out. It never changes a process.

Source: https://docs.kernel.org/filesystems/proc.html (schedstat, stat)
"""

import os
import resource
from pathlib import Path

from bench.residence import tree

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_ns(root: int) -> int:
    """Give the CPU time of a process and its descendants so far, all threads, in ns.

    What a child used that has ended meanwhile is not in it.
    """
    return sum(_process_ns(pid) for pid in tree(root))


def threads_ns(pid: int) -> int:
    """Give how long the threads of one process have run, in ns.

    Raises:
        OSError: The process is gone, or the kernel keeps no such account.
    """
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text("ascii").split()[0]) for thread in threads)


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


def _process_ns(pid: int) -> int:
    try:
        return threads_ns(pid)
    except (FileNotFoundError, ProcessLookupError):
        return _coarse_ns(pid)


def _coarse_ns(pid: int) -> int:
    """Count in clock ticks, where the kernel was built without scheduler statistics."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()  # after the name, which may hold anything
    return _TICK_NS * (int(fields[11]) + int(fields[12]))
