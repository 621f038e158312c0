"""The workers: a stream entry in, a settled event out.

What happens to an entry is told by the file names: read, dispatch, handle, settle;
``pipeline`` holds them on one screen.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumers.calling.middleware import CallNext
    from consumers.calling.rate import Rate
    from consumers.effects.once import LeaseLost, OutcomeUnknown
    from consumers.event import Event
    from consumers.outcome import GiveUp, RetryLater
    from consumers.retry import Retry
    from consumers.worker import Worker

__all__ = [
    "CallNext",
    "Event",
    "GiveUp",
    "LeaseLost",
    "OutcomeUnknown",
    "Rate",
    "Retry",
    "RetryLater",
    "Worker",
]

# Imported when they are asked for: the operators' commands are in this package too, need none of
# them, and are to answer at once.
_HOMES = {
    "CallNext": "consumers.calling.middleware",
    "Event": "consumers.event",
    "GiveUp": "consumers.outcome",
    "LeaseLost": "consumers.effects.once",
    "OutcomeUnknown": "consumers.effects.once",
    "Rate": "consumers.calling.rate",
    "Retry": "consumers.retry",
    "RetryLater": "consumers.outcome",
    "Worker": "consumers.worker",
}


if not TYPE_CHECKING:  # there each name has its own type, and any other is a mistake

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
