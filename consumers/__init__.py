"""The workers: a stream entry in, a settled event out.

What happens to an entry is told by the file names: read, dispatch, handle, settle;
``pipeline`` holds them on one screen.
"""

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
