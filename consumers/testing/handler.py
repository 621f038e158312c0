"""Runs one handler on one event, or on one batch, and says what would become of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Unpack

from consumers.event import Event
from consumers.testing.options import RunOptions
from consumers.testing.run import Run
from consumers.testing.running import run_worker
from consumers.testing.stand_ins import only_for, with_stand_ins
from consumers.worker import Handler, Worker

# The function, or its name.
HandlerChoice = Callable[..., Any] | str


async def run_handler(
    worker: Worker, handler: HandlerChoice, event: Event, **options: Unpack[RunOptions]
) -> Run:
    """Run one handler once, with all that is around it, and say what would become of the event.

    Its payload is decoded, its middleware runs around it, its time is limited, and what it asks
    for is opened and closed again; hooks do not run, and other resources are not opened.

    Args:
        worker: Where the handler is declared.
        handler: The function, or its name.
        event: Its ``attempt`` says which run it is.
        options: See `RunOptions`.

    Raises:
        ValueError: No handler of the worker is meant, or none that reads such events.
        ConfigurationFault: The declaration is faulty.
        StartFailed: A resource failed; the handler did not run.
        HandlerEnded: The handler has asked for the end of the process.
        NeedsStore: The handler commits, and ``on_commit`` does not say what that does.
    """
    (run,) = await _run_each(worker, handler, [event], options)
    return run


async def run_batch(
    worker: Worker, handler: HandlerChoice, events: Sequence[Event], **options: Unpack[RunOptions]
) -> list[Run]:
    """Run a handler of `Worker.on_batch` on some events, and say what would become of each.

    Args:
        worker: Where the handler is declared.
        handler: The function, or its name.
        events: At once as many as its ``size`` allows; one that has failed before comes alone.
        options: See `RunOptions`.

    Returns:
        A run for each event, in their order.

    Raises:
        ValueError: No handler of the worker is meant, or none that reads such events.
    """
    return await _run_each(worker, handler, events, options)


async def _run_each(
    worker: Worker, choice: HandlerChoice, events: Sequence[Event], options: RunOptions
) -> list[Run]:
    worker.check()
    handler = _chosen(worker, choice, events)
    stood_in = with_stand_ins(worker, options.get("resources", {}))
    around = [handler.function, *handler.middleware, *worker.middlewares]
    alone = replace(only_for(stood_in, around), handlers=[handler])
    once = RunOptions(**{**options, "resources": {}, "most_runs": len(events)})
    result = await run_worker(alone, events, **once)
    left = list(result.runs)
    if len(left) < len(events):
        raise AssertionError(f"{handler.name} has not ended\n\n{result.table()}")
    return [_taken(left, event) for event in events]


def _taken(left: list[Run], event: Event) -> Run:
    found = next(run for run in left if run.event.identity == event.identity)
    left.remove(found)
    return found


def _chosen(worker: Worker, choice: HandlerChoice, events: Sequence[Event]) -> Handler:
    meant = [each for each in worker.handlers if _is_meant(each, choice)]
    if not meant:
        names = ", ".join(each.name for each in worker.handlers) or "none"
        raise ValueError(f"no handler is {choice!r}; there are: {names}")
    for handler in meant:
        if all(handler.pattern.matches(event.endpoint, event.type) for event in events):
            return handler
    patterns = ", ".join(str(each.pattern) for each in meant)
    others = ", ".join(f"{event.endpoint}:{event.type}" for event in events)
    raise ValueError(f"{meant[0].name} reads {patterns}, and not {others}")


def _is_meant(handler: Handler, choice: HandlerChoice) -> bool:
    if isinstance(choice, str):
        return choice in {handler.name, handler.name.rpartition(".")[2]}
    return handler.function == choice
