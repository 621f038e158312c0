"""What is seen of a consumer group."""

from dataclasses import dataclass

from relay.contract.paused import Pause
from relay.contract.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerState:
    """One consumer of a group on one stream.

    Args:
        name: Its name; those that begin with ``@`` are the books' and no processes.
        pending: Entries given to it and not settled.
        lives: Whether it has a heartbeat, or is of another program and active within a minute.
    """

    name: str
    pending: int
    lives: bool

    @property
    def is_process(self) -> bool:
        """Whether it stands for a process."""
        return not self.name.startswith("@")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """One group on one stream.

    Args:
        group: Its name.
        stream: Which stream; also that of what the group is given again of a type.
        unread: Entries not yet given to any consumer; none where the server does not count them.
        pending: Entries given out and not settled: the sum of the consumers'.
        oldest_ms: Age of the oldest entry that is not settled; none where all are.
        consumers: Who reads, and what the books hold.
        later: Entries of the whole tag that wait long, out of their streams.
        dead: Dead letters of the whole tag.
        configured: Whether a gateway lists the group for this stream, so that it holds it for good.
        pauses: What an operator has paused here.
        abandoned: No consumer of the group lives anywhere, and something is not settled here.
    """

    group: str
    stream: Stream
    unread: int | None
    pending: int
    oldest_ms: int | None
    consumers: tuple[ConsumerState, ...]
    later: int | None = None
    dead: int | None = None
    configured: bool = False
    pauses: tuple[Pause, ...] = ()
    abandoned: bool = False

    @property
    def alive(self) -> list[str]:
        """The consumers that live."""
        return [each.name for each in self.consumers if each.is_process and each.lives]

    @property
    def gone(self) -> list[str]:
        """The consumers that do not live any more."""
        return [each.name for each in self.consumers if each.is_process and not each.lives]

    @property
    def in_flight(self) -> int:
        """Entries that living consumers hold."""
        return sum(each.pending for each in self.consumers if each.is_process and each.lives)

    @property
    def left_behind(self) -> int:
        """Entries that consumers held which are gone, and that nobody has taken over yet."""
        return sum(each.pending for each in self.consumers if each.is_process and not each.lives)

    @property
    def parked(self) -> int:
        """Entries that wait for another attempt, or were handed back."""
        return self._under("@park")

    @property
    def laned(self) -> int:
        """Entries of an ordered stream that wait behind one with the same key."""
        return self._under("@lane")

    @property
    def unsettled(self) -> int:
        """Entries not settled, as far as they are counted."""
        return self.pending + (self.unread or 0)

    def _under(self, name: str) -> int:
        return sum(each.pending for each in self.consumers if each.name == name)
