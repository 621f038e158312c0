"""What runs around a handler: each middleware is given the event and the way on.

The chain is joined once, at start.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from consumers.calling.parameters import needs_of
from consumers.calling.resource import function_name
from consumers.event import Event

CallNext = Callable[[Event], Awaitable[Any]]
# Takes the event, the way on, and resources by name.
Middleware = Callable[..., Coroutine[Any, Any, Any]]

LEADING = ("event", "call_next")


def middleware_faults(middleware: Sequence[object], known: Mapping[str, Any]) -> list[str]:
    """Find what is wrong with middleware, each in a sentence."""
    faults = []
    for each in middleware:
        if not callable(each) or not is_async(each):
            faults.append(f"middleware {function_name(each)}: must be an async function")
            continue
        found = needs_of(each, known=known, leading=LEADING).faults
        faults += [f"middleware {function_name(each)}: {fault}" for fault in found]
    return faults


def wrapped(
    call: CallNext, middleware: Sequence[Middleware], resources: Mapping[str, Any]
) -> CallNext:
    """Put middleware around a call, the first of them outermost."""
    for each in reversed(middleware):
        needs = needs_of(each, known=dict.fromkeys(resources), leading=LEADING)
        values = {name: resources[name] for name in needs.resources}
        call = _layer(partial(each, **values) if values else each, call, function_name(each))
    return call


def is_async(function: object) -> bool:
    """Tell whether calling a function gives a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind is asked for, not whether
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _layer(middleware: Middleware, call_next: CallNext, name: str) -> CallNext:
    async def run(event: Event) -> Any:  # noqa: ANN401 - whatever the handler returns
        calls: list[Awaitable[Any]] = []

        def noted(event: Event) -> Awaitable[Any]:
            call = call_next(event)
            calls.append(call)
            return call

        result = await middleware(event, noted)
        for call in calls:
            # Else an event would count as done of which the handler never ran.
            if inspect.iscoroutine(call) and _never_ran(call):
                call.close()
                raise RuntimeError(f"middleware {name} calls call_next(event) without await")
        return result

    return run


def _never_ran(call: Coroutine[Any, Any, Any]) -> bool:
    return inspect.getcoroutinestate(call) == inspect.CORO_CREATED
