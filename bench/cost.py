"""What a contender and its store cost between two moments: CPU time and peak memory."""

from dataclasses import dataclass

from bench import accounting
from bench.contenders.contender import Contender


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
    """

    server: Share
    store: Share | None


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
            accounting.forget_peak(pid)
            self._before[pid] = accounting.cpu_ns(pid)

    def read(self) -> Cost:
        """Give what was used since."""
        store = self._share(self._store) if self._store else None
        return Cost(self._share(self._server), store)

    def _share(self, pid: int) -> Share:
        return Share(accounting.cpu_ns(pid) - self._before[pid], accounting.peak_bytes(pid))
