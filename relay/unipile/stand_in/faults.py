"""What shall go wrong, as asked for: each fault waits for the request or delivery it is for.

Pure: faults come in, and are given out one by one, in their order.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from relay.unipile.stand_in.rules import MOST_FAULTS

DELIVERY = "DELIVERY"
# The request is refused, or never answered; nothing was done, unless the fault says so.
BEFORE = frozenset({"status", "time-out", "cut"})
# The request is done, and the true answer spoilt.
AFTER = frozenset({"broken-json", "half-page", "wrong-shape", "no-data", "slow"})
REQUEST_KINDS = BEFORE | AFTER
# Of a whole delivery, and of a single attempt.
WHOLE = frozenset({"duplicate", "late", "lost"})
ATTEMPT = frozenset({"changed"})
DELIVERY_KINDS = WHOLE | ATTEMPT


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        kind: A kind of request fault, for example ``time-out``, or of delivery fault, for example
            ``lost``.
        status: What is answered, 400 to 599; for the kind ``status``.
        done: Whether what was asked for is done all the same, and only the answer is lost.
        seconds: How slow an answer is, or how long a late delivery waits at most.
        retry_after: The header of that name; 1 with a status of 429.
    """

    kind: str
    status: int = 500
    done: bool = False
    seconds: float = 1.0
    retry_after: str | None = None

    @property
    def is_after(self) -> bool:
        """Whether the request is done."""
        return self.done or self.kind in AFTER

    def __str__(self) -> str:
        what = str(self.status) if self.kind == "status" else self.kind
        return f"{what}, done" if self.done else what


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fault that waits for its turn.

    Args:
        method: Of the requests it is for, ``*`` for any, or ``DELIVERY``.
        pattern: Of their paths, or of the types of events; ``*`` stands for anything.
        fault: What goes wrong.
        times: How often still.
    """

    method: str
    pattern: str
    fault: Fault
    times: int


class Faults:
    """Those that wait."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    @property
    def waiting(self) -> list[Waiting]:
        """Give those that wait, in the order in which they were asked for."""
        return list(self._waiting)

    def add(
        self, method: str, pattern: str, fault: Fault | str | int, times: int, *, done: bool = False
    ) -> None:
        """Ask for a fault.

        Args:
            method: As ``GET``, ``*`` for any, or ``DELIVERY``.
            pattern: Of the path, or of the event's type, with ``*`` and ``?``.
            fault: Itself, its kind, or the status that is answered.
            times: How often, 1 or more.
            done: Whether a request is done all the same.

        Raises:
            ValueError: There is no such fault, or none of that kind there, or too many wait.
        """
        wanted, method = as_fault(fault), method.upper()
        wanted = replace(wanted, done=True) if done else wanted
        known = DELIVERY_KINDS if method == DELIVERY else REQUEST_KINDS
        if wanted.kind not in known:
            raise ValueError(f"a fault of {method} is one of {', '.join(sorted(known))}")
        if times < 1:
            raise ValueError("a fault happens once at least")
        if len(self._waiting) >= MOST_FAULTS:
            raise ValueError(f"{MOST_FAULTS} faults wait already")
        self._waiting.append(Waiting(method, pattern, wanted, times))

    def take(self, method: str, path: str, kinds: Collection[str] = REQUEST_KINDS) -> Fault | None:
        """Give the fault that is next for a request or a delivery; none where none waits.

        Args:
            method: The request's, or ``DELIVERY``.
            path: The request's without its query, or the event's type.
            kinds: Those that are asked for.
        """
        for number, each in enumerate(self._waiting):
            is_meant = each.method == method or (each.method == "*" and method != DELIVERY)
            if is_meant and each.fault.kind in kinds and fnmatchcase(path, each.pattern):
                if each.times > 1:
                    self._waiting[number] = replace(each, times=each.times - 1)
                else:
                    del self._waiting[number]
                return each.fault
        return None

    def clear(self) -> None:
        """Have nothing go wrong any more."""
        self._waiting.clear()


def as_fault(fault: Fault | str | int) -> Fault:
    """Read a fault.

    Args:
        fault: Itself, its kind, or the status that is answered, also as text.

    Raises:
        ValueError: The status is none of an error, or what is said with it is no header.
    """
    if isinstance(fault, Fault):
        made = fault
    else:
        is_status = isinstance(fault, int) or fault.isdecimal()
        made = Fault("status", int(fault)) if is_status else Fault(str(fault))
    if not 400 <= made.status <= 599:
        raise ValueError("the status of a fault is 400 to 599")
    if not (made.retry_after or "").isascii() or not (made.retry_after or "").isprintable():
        raise ValueError("retry_after is no value of a header")
    return made
