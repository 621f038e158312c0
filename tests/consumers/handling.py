"""Runs of a handler, and handlers that hang until they are let go."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from consumers.event import Event
from consumers.handle import Runner
from consumers.outcome import Outcome
from tests.consumers.making import make_handler, make_seen


async def run(function: Callable[..., object], **options: Any) -> Outcome:
    """Run a handler once."""
    runner = Runner(make_handler(function, **options))
    try:
        return await runner.run(make_seen())
    finally:
        runner.close()


@contextmanager
def hanging() -> Iterator[tuple[Callable[[Event], None], threading.Event, list[str]]]:
    """Make a plain handler that hangs until the gate is opened, and the list of its runs."""
    gate, runs = threading.Event(), list[str]()

    def hang(event: Event) -> None:
        runs.append(event.id)
        gate.wait()

    try:
        yield hang, gate, runs
    finally:
        gate.set()
