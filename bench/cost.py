"""What a contender and its store cost between two moments: CPU time and peak memory."""

import time
from dataclasses import dataclass

from bench.contenders.contender import Contender
from bench.cpu import cpu_ns, strangers_ns
from bench.residence import forget_peak, peak_bytes


@dataclass(frozen=True, slots=True)
class Share:
    """What one of the two cost.

    Args:
        cpu_ns: CPU time, all processes and threads.
        peak_bytes: The most memory that was resident.
    """

    cpu_ns: int
    peak_bytes: int

    def us_per(self, events: int) -> float:
        """Give the CPU time per event, in µs."""
        return round(self.cpu_ns / 1000 / max(1, events), 2)

    @property
    def peak_mib(self) -> float:
        """The peak, in MiB."""
        return round(self.peak_bytes / 2**20, 1)


@dataclass(frozen=True, slots=True)
class Cost:
    """What both cost.

    Args:
        server: The contender.
        store: Its Redis, if it has one.
        others_percent: CPU time that strangers took on the machine meanwhile, of one core. Where
            it is more than a little, the figures say as much of them as of the contender.
    """

    server: Share
    store: Share | None
    others_percent: int


class Meters:
    """Counts from the moment it is made.

    Args:
        contender: A running one.
    """

    def __init__(self, contender: Contender) -> None:
        self._server = contender.program.pid
        self._store = contender.store.program.pid if contender.store else None
        self._before: dict[int, int] = {}
        for pid in filter(None, (self._server, self._store)):
            forget_peak(pid)
            self._before[pid] = cpu_ns(pid)
        self._strangers_ns = strangers_ns()
        self._start_ns = time.monotonic_ns()

    def read(self) -> Cost:
        """Give what was used since."""
        store = self._share(self._store) if self._store else None
        others_ns = max(0, strangers_ns() - self._strangers_ns)
        percent = round(100 * others_ns / (time.monotonic_ns() - self._start_ns))
        return Cost(self._share(self._server), store, percent)

    def _share(self, pid: int) -> Share:
        return Share(cpu_ns(pid) - self._before[pid], peak_bytes(pid))
