"""Pure: what a handler does with an event, told from the run's seed, the group and the event's id.

The checker must know it as well as the handler, in whatever process that is, so nothing is left
to chance but the seed.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

Kind = Literal["succeeds", "fails", "never succeeds", "gives up", "hangs", "exits", "kills"]

TYPES = ("message.new", "message.read", "mail.new", "chat.line")
ATTEMPTS = 6
TIMEOUT_SECONDS = 1.5
# With which code a handler of ours ends its process.
EXIT_CODE = 77

# Out of a thousand events; the rest succeeds.
_SHARES: tuple[tuple[Kind, int], ...] = (
    ("fails", 100),
    ("never succeeds", 20),
    ("gives up", 20),
    ("hangs", 15),
    ("exits", 3),
)
# One event of so many ends every process that handles it, and an early one: it needs five deaths
# before it is set aside, and after two of them its neighbours run one at a time as well.
KILLING_EVERY, KILLING_BEFORE = 3000, 50
# How long a run takes: most are short, some are long enough to be killed in the middle.
_SECONDS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of an event.

    Args:
        kind: How its runs end; ``kills`` is an event that ends every process which handles it.
        times: How many of them fail, hang or exit before one succeeds.
        seconds: How long a run takes before that.
    """

    kind: Kind
    times: int
    seconds: float


def rule_for(seed: int, group: str, event_id: str) -> Rule:
    """Say what a group's handler does with an event."""
    digest = sha256(f"{seed}:{group}:{event_id}".encode()).digest()
    killing = sha256(f"{seed}:{group}".encode()).digest()
    number = int(event_id.rpartition("-")[2]) % KILLING_EVERY
    if number == int.from_bytes(killing[:4]) % KILLING_BEFORE:
        return Rule("kills", 0, 0.0)
    kind = _kind(int.from_bytes(digest[:4]) % 1000)
    times = 1 if kind in {"hangs", "exits"} else 1 + digest[4] % 3
    return Rule(kind, times, _SECONDS[digest[5] % len(_SECONDS)])


def _kind(number: int) -> Kind:
    for kind, share in _SHARES:
        if number < share:
            return kind
        number -= share
    return "succeeds"
