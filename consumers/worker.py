"""What a user writes: a group, and a handler for each kind of stream.

Nothing runs here; ``consumers.app`` runs what is declared.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any, Literal, TypeVar

from consumers.event import Event
from consumers.retry import Retry, is_finite, is_whole
from relay.contract.errors import ConfigurationFault
from relay.contract.keys import is_name
from relay.contract.patterns import Pattern, parse_pattern

# The name of an attribute of the event, a JSON pointer into its body, or a function of the event.
OrderBy = str | Callable[[Event], str | None]
ORDER_ATTRIBUTES = ("account", "type", "source")
HandlerFunction = Callable[[Event], Awaitable[Any]] | Callable[[Event], Any]
FunctionT = TypeVar("FunctionT", bound=HandlerFunction)
Start = Literal["first", "now"] | datetime


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A function, the streams it is for, and how it is run.

    Args:
        pattern: Which streams.
        function: Takes an `Event`; a plain function runs in a thread.
        retry: When a failed event is tried again.
        timeout_seconds: How long one run may take; none for no bound.
        concurrency: How many runs at once in one process.
        read_ahead: How many more entries may wait in this process.
        accept_unverified: Also run for events of which nothing was proved.
        order_by: What keeps events in order that have it in common; none for no order.
    """

    pattern: Pattern
    function: HandlerFunction
    retry: Retry
    timeout_seconds: float | None
    concurrency: int
    read_ahead: int
    accept_unverified: bool
    order_by: OrderBy | None = None

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

    def on(  # noqa: PLR0913 - each is an option with a name
        self,
        pattern: str,
        *,
        retry: Retry | None = None,
        timeout_seconds: float | None = 60.0,
        concurrency: int = 10,
        read_ahead: int = 100,
        accept_unverified: bool = False,
        order_by: OrderBy | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Declare a handler; use it as a decorator.

        Args:
            pattern: ``endpoint:type``, where ``*`` matches anything but the first ``:``. Of
                several that match a stream the most specific is taken.
            retry: When a failed event is tried again; by default 8 attempts over two minutes.
            timeout_seconds: How long one run may take. A coroutine is cancelled then; a thread
                cannot be, so it is reported and keeps its place until it returns.
            concurrency: How many runs at once in one process.
            read_ahead: How many more entries may wait in this process.
            accept_unverified: Also run for events of which nothing was proved.
            order_by: Handle events of one stream in order that have this in common: ``"account"``,
                ``"type"`` or ``"source"``, a JSON pointer into the body as
                ``"/payload/chat_id"``, or a function of the event. One process of the group
                reads such a stream at a time.
        """
        if callable(pattern):  # used without its brackets
            raise TypeError('@worker.on needs a pattern: @worker.on("endpoint:type")')

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
                )
            )
            return function

        return declare

    def check(self) -> None:
        """Find every fault of the declaration.

        Raises:
            ConfigurationFault: All of them, each in a sentence.
        """
        faults = self._own_faults()
        for handler in self.handlers:
            faults += [f"{handler.name}: {fault}" for fault in _faults_of(handler)]
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
        if self.start not in {"first", "now"} and not isinstance(self.start, datetime):
            faults.append(f'start {self.start!r}: "first", "now" or a datetime')
        if not self.handlers:
            faults.append('no handler: decorate a function with @worker.on("endpoint:type")')
        return faults


def _may_order(order_by: str) -> bool:
    return order_by in ORDER_ATTRIBUTES or order_by.startswith("/")


def _faults_of(handler: Handler) -> list[str]:
    faults = []
    if inspect.isgeneratorfunction(handler.function) or inspect.isasyncgenfunction(
        handler.function
    ):
        faults.append("is a generator, which would never run: leave out its yield")
    if type(handler.retry) is not Retry:
        faults.append("retry must be a Retry(…)")
    if not is_whole(handler.concurrency, at_least=1):
        faults.append("concurrency must be a whole number, 1 or more")
    if not is_whole(handler.read_ahead, at_least=0):
        faults.append("read_ahead must be a whole number, 0 or more")
    if isinstance(handler.order_by, str) and not _may_order(handler.order_by):
        faults.append(
            f'order_by={handler.order_by!r}: "account", "type", "source", a JSON pointer as '
            '"/payload/chat_id", or a function of the event'
        )
    limit = handler.timeout_seconds
    if limit is not None and not (is_finite(limit) and limit > 0):
        faults.append("timeout_seconds must be a number above 0, or None")
    return faults
