"""Runs a worker, or one of its handlers, in memory."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar, Unpack

from consumers.event import Event
from consumers.testing.clock import moved_clock
from consumers.testing.events import Arrival
from consumers.testing.options import Plan, RunOptions
from consumers.testing.result import Result
from consumers.testing.simulation import Simulation
from consumers.testing.stand_ins import with_stand_ins
from consumers.worker import Worker

ResultT = TypeVar("ResultT")


async def run_worker(
    worker: Worker, events: Iterable[Event | Arrival], **options: Unpack[RunOptions]
) -> Result:
    """Run a worker over some events, to the end of each of them, and without waiting.

    The time of the running event loop is moved: where all that is left to do is wait, it is over
    at once. Resources are opened and hooks run, as in a process of the worker.

    Args:
        worker: What was declared.
        events: In the order of their coming; those that come later as `Arrival`.
        options: See `RunOptions`.

    Raises:
        ConfigurationFault: The declaration is faulty.
        StartFailed: A resource or a start-up hook failed; no handler ran.
        HandlerEnded: A handler has asked for the end of the process.
        NeedsStore: A handler commits, and ``on_commit`` does not say what that does.
        RuntimeError: The time of the running event loop cannot be moved.
    """
    worker.check()
    plan = Plan(**options)
    worker = with_stand_ins(worker, plan.resources)
    arrivals = [each if isinstance(each, Arrival) else Arrival(each, 0.0) for each in events]
    clock = moved_clock()
    there = [each.event.received_at for each in arrivals if not each.after_seconds]
    with clock.moving(plan.now if plan.now is not None else max(there, default=clock.wall())):
        return await Simulation(worker, arrivals, plan, clock).run()


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run one of the kit's coroutines from a plain test, in an event loop of its own.

    Args:
        main: As ``run_worker(worker, events)``.

    Raises:
        RuntimeError: An event loop runs here already: await the coroutine instead.
    """
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)
