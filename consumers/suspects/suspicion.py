"""What speaks against an entry: that processes died while they held it.

Apart from attempts, which count runs that ended. A process that dies takes innocent neighbours
down with it, so an entry that was taken over twice is only a suspect; what convicts it are
strikes, and those are given to an entry that ran alone when its process died.
"""

import re
from dataclasses import dataclass

# From this takeover on an entry runs one at a time, under a strike.
SUSPECT_TAKEOVERS = 2
# With so many strikes it is not run any more.
POISON_STRIKES = 3

_WRITTEN = re.compile(rb"(\d{1,9}) (\d{1,9})")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What the books know against an entry.

    Args:
        takeovers: How often it was taken over from a dead consumer.
        strikes: How often a process died while it ran as a suspect; while it runs as one, this
            run is counted in the store already.
    """

    takeovers: int = 0
    strikes: int = 0

    @property
    def runs_alone(self) -> bool:
        """Whether it is a suspect: run one at a time, under a strike."""
        return self.takeovers >= SUSPECT_TAKEOVERS and not self.is_poison

    @property
    def is_poison(self) -> bool:
        """Whether it must not run any more."""
        return self.strikes >= POISON_STRIKES

    def struck(self) -> "Suspicion":
        """Add the strike under which the next run stands."""
        return Suspicion(self.takeovers, self.strikes + 1)

    def written(self) -> str:
        """Write the books' field, as ``count.lua`` does."""
        return f"{self.takeovers} {self.strikes}"


INNOCENT = Suspicion()


def read_suspicion(value: bytes | str | None) -> Suspicion:
    """Read the books' field; an unreadable one counts as none."""
    text = value.encode() if isinstance(value, str) else value or b""
    found = _WRITTEN.fullmatch(text)
    return Suspicion(int(found[1]), int(found[2])) if found else INNOCENT
