"""The test kit: handlers and whole workers, run without a store and without waiting.

What comes in are events that a test makes; what goes out is what became of them. Nothing here is
imported by the worker.
"""

from consumers.effects.once import LeaseLost, OutcomeUnknown
from consumers.handle import HandlerEnded
from consumers.starting.lifespan import StartFailed
from consumers.testing.crash import Crash
from consumers.testing.events import (
    Arrival,
    EventFields,
    make_event,
    unipile_event,
    unipile_types,
)
from consumers.testing.handler import run_batch, run_handler
from consumers.testing.memory import Memory, NeedsStore
from consumers.testing.options import RunOptions
from consumers.testing.result import DeadLetter, Result
from consumers.testing.run import Run
from consumers.testing.running import run, run_worker

__all__ = [
    "Arrival",
    "Crash",
    "DeadLetter",
    "EventFields",
    "HandlerEnded",
    "LeaseLost",
    "Memory",
    "NeedsStore",
    "OutcomeUnknown",
    "Result",
    "Run",
    "RunOptions",
    "StartFailed",
    "make_event",
    "run",
    "run_batch",
    "run_handler",
    "run_worker",
    "unipile_event",
    "unipile_types",
]
