"""The workers: a stream entry in, a settled event out.

What happens to an entry is told by the file names: read, dispatch, handle, settle;
``pipeline`` holds them on one screen.
"""

from consumers.event import Event
from consumers.once import LeaseLost, OutcomeUnknown
from consumers.outcome import GiveUp, RetryLater
from consumers.retry import Retry
from consumers.worker import Worker

__all__ = ["Event", "GiveUp", "LeaseLost", "OutcomeUnknown", "Retry", "RetryLater", "Worker"]
