"""All that one worker process has to show: its counts, its gauges, and what it looked up."""

from collections.abc import Iterable, Sequence

from consumers.consumer import Consumer
from consumers.crew import Crew
from consumers.heartbeat import Heartbeat
from consumers.metrics import families
from consumers.metrics.lag import Lag
from consumers.rooms import Room
from relay.contract.tally import Labels, Tally, total


class Gathering:
    """Puts together what the parts of a process have counted.

    Args:
        us: The process.
        crews: One for each handler, with its room.
        heartbeat: The process's.
        lag: What was looked up.
    """

    def __init__(
        self,
        us: Consumer,
        crews: Sequence[tuple[Crew, Room]],
        *,
        heartbeat: Heartbeat,
        lag: Lag,
    ) -> None:
        self._group = us.group
        self._record = us.record
        self._crews = crews
        self._heartbeat = heartbeat
        self._lag = lag

    def tally(self) -> Tally:
        """Give all of it as it is now."""
        gauges = Tally(gauges=[*self._of_handlers(), *self._of_process()])
        counts = [room.record.tally(self._group) for _, room in self._crews]
        own = self._record.tally(self._group)
        return total([*counts, own, gauges, self._lag.tally()], families.WORKER)

    def _of_handlers(self) -> Iterable[tuple[str, Labels, float]]:
        for crew, room in self._crews:
            labels = (self._group, room.handler.name)
            yield families.IN_FLIGHT.name, labels, crew.in_flight
            yield families.HELD.name, labels, room.held
            yield families.RUNNING.name, labels, crew.running
            yield families.CONCURRENCY.name, labels, room.handler.concurrency

    def _of_process(self) -> Iterable[tuple[str, Labels, float]]:
        labels = (self._group,)
        age_seconds = self._heartbeat.age_seconds
        if age_seconds is not None:
            yield families.HEARTBEAT_AGE.name, labels, age_seconds
        yield families.STORE_REACHABLE.name, labels, float(self._heartbeat.beats())
