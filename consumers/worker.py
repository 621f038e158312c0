"""What a user writes: a group, and a handler for each kind of stream.

Nothing runs here; ``consumers.app`` runs what is declared.
"""

import pickle
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations
from typing import Any, Concatenate, Literal, TypeVar, cast

from consumers.calling.call import batch_call_faults, call_faults, isolated_call_faults
from consumers.calling.importable import faults_of_isolated
from consumers.calling.middleware import Middleware, is_async, middleware_faults
from consumers.calling.parameters import is_generator
from consumers.calling.rate import Rate
from consumers.calling.resource import Resource, hook_faults, types_of
from consumers.calling.resource import faults_of as resource_faults
from consumers.event import Event
from consumers.retry import Retry, is_finite, is_whole
from relay.contract.errors import ConfigurationFault
from relay.contract.keys import is_name
from relay.contract.patterns import Pattern, parse_pattern

# The name of an attribute of the event, a JSON pointer into its body, or a function of the event.
OrderBy = str | Callable[[Event], str | None]
ORDER_ATTRIBUTES = ("account", "type", "source")
# Takes the event; resources and the payload by name.
HandlerFunction = Callable[[Event], Any] | Callable[Concatenate[Event, ...], Any]
FunctionT = TypeVar("FunctionT", bound=HandlerFunction)
AnyFunctionT = TypeVar("AnyFunctionT", bound=Callable[..., Any])
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)
# For each event none where it is done, and an exception where it is not; none alone: all are done.
BatchResult = Sequence[BaseException | None] | None
# Takes the events; resources by name.
BatchFunction = (
    Callable[[list[Event]], Awaitable[BatchResult] | BatchResult]
    | Callable[Concatenate[list[Event], ...], Awaitable[BatchResult] | BatchResult]
)
BatchFunctionT = TypeVar("BatchFunctionT", bound=BatchFunction)
Start = Literal["first", "now"] | datetime
Isolate = Literal["process"]


@dataclass(frozen=True, slots=True)
class Batch:
    """How many events a handler is given at once.

    Args:
        size: At most so many.
        wait_seconds: How long the first of them may wait for the others.
    """

    size: int
    wait_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A function, the streams it is for, and how it is run.

    Args:
        pattern: Which streams.
        function: Takes an `Event`; a plain function runs in a thread.
        retry: When a failed event is tried again.
        timeout_seconds: How long one run may take; none for no bound.
        concurrency: How many runs at once in one process.
        read_ahead: How many more entries may wait in this process; none for as many as its speed
            asks for.
        accept_unverified: Also run for events of which nothing was proved.
        order_by: What keeps events in order that have it in common; none for no order.
        rate_limit: How many runs may begin in a time; none for no bound.
        payload_at: Which part of the body is the payload, as a JSON pointer; none for all.
        middleware: What runs around the function, the first outermost.
        batch: Where the function takes a list of events, how many.
        isolate: Where the function runs, if not in this process.
    """

    pattern: Pattern
    function: HandlerFunction | BatchFunction
    retry: Retry
    timeout_seconds: float | None
    concurrency: int
    read_ahead: int | None
    accept_unverified: bool
    order_by: OrderBy | None = None
    rate_limit: Rate | None = None
    payload_at: str | None = None
    middleware: tuple[Middleware, ...] = ()
    batch: Batch | None = None
    isolate: Isolate | None = None

    @property
    def most_running(self) -> int:
        """How many events it may be busy with at once in one process."""
        return self.concurrency * (1 if self.batch is None else self.batch.size)

    @property
    def name(self) -> str:
        """The function's name, for logs."""
        return getattr(self.function, "__qualname__", type(self.function).__name__)


@dataclass(slots=True)
class Worker:
    """Handlers that share a consumer group.

    Args:
        group: Name of the group; every group sees every event.
        start: Where the group begins when it is created: with the ``first`` event that is still
            stored, with what comes from ``now`` on, or at a time.
    """

    group: str
    start: Start = "first"
    handlers: list[Handler] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    startup_hooks: list[Callable[..., Any]] = field(default_factory=list)
    shutdown_hooks: list[Callable[..., Any]] = field(default_factory=list)
    middlewares: list[Middleware] = field(default_factory=list)

    def on(  # noqa: PLR0913 - each is an option with a name
        self,
        pattern: str,
        *,
        retry: Retry | None = None,
        timeout_seconds: float | None = 60.0,
        concurrency: int = 10,
        read_ahead: int | None = None,
        accept_unverified: bool = False,
        order_by: OrderBy | None = None,
        rate_limit: Rate | None = None,
        payload_at: str | None = None,
        middleware: Sequence[Middleware] = (),
        isolate: Isolate | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Declare a handler; use it as a decorator.

        Args:
            pattern: ``endpoint:type``, where ``*`` matches anything but the first ``:``. Of
                several that match a stream the most specific is taken.
            retry: When a failed event is tried again; by default 8 attempts over two minutes.
            timeout_seconds: How long one run may take. A coroutine is cancelled then; a thread
                cannot be, so it is reported and keeps its place until it returns.
            concurrency: How many runs at once in one process.
            read_ahead: How many more entries may wait in this process; by default as many as it
                gets through in a twentieth of a second, from 100 to 1,000.
            accept_unverified: Also run for events of which nothing was proved.
            order_by: Handle events of one stream in order that have this in common: ``"account"``,
                ``"type"`` or ``"source"``, a JSON pointer into the body as
                ``"/payload/chat_id"``, or a function of the event. One process of the group
                reads such a stream at a time.
            rate_limit: How many runs may begin in a time, in one process.
            payload_at: Which part of the body the payload is, as a JSON pointer; by default all.
            middleware: What runs around this handler, inside what runs around all of them.
            isolate: ``"process"`` runs the function in a process of its own, for code that may
                hang or crash: it is killed when its time is over, and started anew.
        """
        if not isinstance(pattern, str):  # a function, where it is used without its brackets
            raise TypeError('@worker.on needs a pattern: @worker.on("endpoint:type")')
        if callable(middleware):
            raise TypeError("@worker.on takes a list of middleware: middleware=[…]")

        def declare(function: FunctionT) -> FunctionT:
            self.handlers.append(
                Handler(
                    pattern=parse_pattern(pattern),
                    function=function,
                    retry=Retry() if retry is None else retry,
                    timeout_seconds=timeout_seconds,
                    concurrency=concurrency,
                    read_ahead=read_ahead,
                    accept_unverified=accept_unverified,
                    order_by=order_by,
                    rate_limit=rate_limit,
                    payload_at=payload_at,
                    middleware=tuple(middleware),
                    isolate=isolate,
                )
            )
            return function

        return declare

    def on_batch(  # noqa: PLR0913 - a declaration has as many parameters as a handler has options
        self,
        pattern: str,
        *,
        size: int = 100,
        wait_seconds: float = 1.0,
        retry: Retry | None = None,
        timeout_seconds: float | None = 60.0,
        concurrency: int = 1,
        read_ahead: int | None = None,
        accept_unverified: bool = False,
    ) -> Callable[[BatchFunctionT], BatchFunctionT]:
        """Declare a handler that is given several events at once; use it as a decorator.

        The function takes a list of events. Returning none says that all are done, raising that
        all have failed; a list as long as the events says it of each, by none or an exception.
        An event that has failed before is given alone, so that it can fail no other.

        Args:
            pattern: As for `on`.
            size: At most so many events at once.
            wait_seconds: How long the first of them may wait for the others, 0 or more.
            retry: As for `on`; each event has its own attempts.
            timeout_seconds: How long one run may take, for all its events together.
            concurrency: How many runs at once in one process.
            read_ahead: How many more entries may wait in this process; by default as many as it
                gets through in a twentieth of a second, from 100 to 1,000.
            accept_unverified: Also run for events of which nothing was proved.
        """
        if not isinstance(pattern, str):  # a function, where it is used without its brackets
            raise TypeError('@worker.on_batch needs a pattern: @worker.on_batch("endpoint:type")')

        def declare(function: BatchFunctionT) -> BatchFunctionT:
            self.on(
                pattern,
                retry=retry,
                timeout_seconds=timeout_seconds,
                concurrency=concurrency,
                read_ahead=read_ahead,
                accept_unverified=accept_unverified,
            )(cast("HandlerFunction", function))
            self.handlers[-1] = replace(self.handlers[-1], batch=Batch(size, wait_seconds))
            return function

        return declare

    def resource(self, function: AnyFunctionT) -> AnyFunctionT:
        """Declare what handlers, hooks and other resources are given by their parameter's name.

        It is opened once in each process, before anything is read. One that yields is closed
        after the handlers have finished, by what stands after its yield.
        """
        self.resources.append(Resource(function))
        return function

    def on_startup(self, function: AnyFunctionT) -> AnyFunctionT:
        """Declare what runs once the resources are open, before anything is read."""
        self.startup_hooks.append(function)
        return function

    def on_shutdown(self, function: AnyFunctionT) -> AnyFunctionT:
        """Declare what runs after the handlers have finished, before the resources are closed."""
        self.shutdown_hooks.append(function)
        return function

    def middleware(self, function: MiddlewareT) -> MiddlewareT:
        """Declare what runs around every handler; the first declared is the outermost.

        It is given the event and ``call_next``, which runs the rest: ``await call_next(event)``.
        """
        self.middlewares.append(function)
        return function

    def wrapped_handlers(self) -> list[Handler]:
        """Give the handlers, each with the middleware of all and its own."""
        around = tuple(self.middlewares)
        return [replace(each, middleware=around + each.middleware) for each in self.handlers]

    def check(self) -> None:
        """Find every fault of the declaration.

        Raises:
            ConfigurationFault: All of them, each in a sentence.
        """
        faults = self._own_faults()
        known = types_of(self.resources)
        for handler in self.handlers:
            found = _faults_of(handler)
            found += _faults_of_call(handler, known)
            found += middleware_faults(handler.middleware, known)
            faults += [f"{handler.name}: {fault}" for fault in found]
        faults += [
            f"{one.name} ({one.pattern}) and {other.name} ({other.pattern}) would both handle the "
            "same streams, and neither is more specific: make one of the patterns longer"
            for one, other in combinations(self.handlers, 2)
            if one.pattern.specificity == other.pattern.specificity
            and one.pattern.overlaps(other.pattern)
        ]
        if faults:
            raise ConfigurationFault(faults)

    def _own_faults(self) -> list[str]:
        faults = []
        if not is_name(str(self.group)):
            faults.append(f"group {self.group!r}: 1 to 63 lower-case letters, digits and hyphens")
        if not isinstance(self.start, datetime) and str(self.start) not in {"first", "now"}:
            faults.append(f'start {self.start!r}: "first", "now" or a datetime')
        known = types_of(self.resources)
        faults += resource_faults(self.resources)
        faults += hook_faults([*self.startup_hooks, *self.shutdown_hooks], known)
        faults += middleware_faults(self.middlewares, known)
        if not self.handlers:
            faults.append('no handler: decorate a function with @worker.on("endpoint:type")')
        return faults


def _function_faults(function: object) -> list[str]:
    if not callable(function):
        return ["is no function"]
    if isinstance(function, type):
        return ["is a class, which would only be made: give an object of it, or a function"]
    if is_generator(function):
        return ["is a generator, which would never run: leave out its yield"]
    return []


def _order_faults(order_by: object) -> list[str]:
    if order_by is None or (callable(order_by) and not is_async(order_by)):
        return []
    if isinstance(order_by, str) and (order_by in ORDER_ATTRIBUTES or order_by.startswith("/")):
        return []
    if callable(order_by):
        return ["order_by must be a plain function: an async one gives no key"]
    wanted = '"account", "type", "source", a JSON pointer as "/payload/chat_id"'
    return [f"order_by={order_by!r}: {wanted}, or a function of the event"]


def _faults_of(handler: Handler) -> list[str]:
    faults = _function_faults(handler.function)
    if type(handler.retry) is not Retry:
        faults.append("retry must be a Retry(…)")
    if not is_whole(handler.concurrency, at_least=1):
        faults.append("concurrency must be a whole number, 1 or more")
    if handler.read_ahead is not None and not is_whole(handler.read_ahead, at_least=0):
        faults.append("read_ahead must be a whole number, 0 or more")
    if handler.accept_unverified not in (True, False):
        faults.append("accept_unverified must be True or False")
    faults += _order_faults(handler.order_by)
    limit = handler.timeout_seconds
    if limit is not None and not (is_finite(limit) and limit > 0):
        faults.append("timeout_seconds must be a number above 0, or None")
    if handler.rate_limit is not None and type(handler.rate_limit) is not Rate:
        faults.append("rate_limit must be a Rate(…), or None")
    return faults + _faults_of_batch(handler) + _faults_of_isolation(handler)


def _faults_of_call(handler: Handler, known: Mapping[str, Any]) -> list[str]:
    if handler.batch is not None:
        return batch_call_faults(handler.function, known)
    faults = call_faults(handler.function, handler.payload_at, known)
    if handler.isolate is not None:
        faults += isolated_call_faults(handler.function, known)
    return faults


def _faults_of_batch(handler: Handler) -> list[str]:
    batch = handler.batch
    if batch is None:
        return []
    faults = []
    if not is_whole(batch.size, at_least=1):
        faults.append("size must be a whole number, 1 or more")
    if not is_finite(batch.wait_seconds) or batch.wait_seconds < 0:
        faults.append("wait_seconds must be a number, 0 or more")
    if handler.order_by is not None:
        faults.append("order_by does not go with on_batch: a batch promises no order")
    return faults


def _faults_of_isolation(handler: Handler) -> list[str]:
    if handler.isolate is None:
        return []
    faults = faults_of_isolated(handler.function)
    if str(handler.isolate) != "process":  # whatever a caller without types gave
        faults.append('isolate must be "process", or None')
    try:
        pickle.dumps(handler.retry)
    except (pickle.PicklingError, AttributeError, TypeError):
        faults.append("retry names exceptions that another process cannot import")
    return faults
