"""Fixtures for pytest: ``pytest_plugins = ["consumers.testing.plugin"]`` in a ``conftest.py``.

Nothing here is loaded by itself, and nothing but this module needs pytest.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Protocol, Unpack

import pytest

from consumers.event import Event
from consumers.testing import handler, running
from consumers.testing.events import Arrival
from consumers.testing.handler import HandlerChoice
from consumers.testing.memory import Memory
from consumers.testing.options import RunOptions
from consumers.testing.result import Result
from consumers.testing.run import Run, table
from consumers.worker import Worker

TITLE = "runs of handlers"

_records = pytest.StashKey["Record"]()


class RunWorker(Protocol):
    """`consumers.testing.run_worker`, for a plain test."""

    def __call__(
        self, worker: Worker, events: Iterable[Event | Arrival], **options: Unpack[RunOptions]
    ) -> Result:
        """Run a worker over some events."""


class RunWorkerAsync(Protocol):
    """`consumers.testing.run_worker`, for a test that is a coroutine."""

    async def __call__(
        self, worker: Worker, events: Iterable[Event | Arrival], **options: Unpack[RunOptions]
    ) -> Result:
        """Run a worker over some events."""


class RunHandler(Protocol):
    """`consumers.testing.run_handler`, for a plain test."""

    def __call__(
        self, worker: Worker, handler: HandlerChoice, event: Event, **options: Unpack[RunOptions]
    ) -> Run:
        """Run a handler once."""


class RunHandlerAsync(Protocol):
    """`consumers.testing.run_handler`, for a test that is a coroutine."""

    async def __call__(
        self, worker: Worker, handler: HandlerChoice, event: Event, **options: Unpack[RunOptions]
    ) -> Run:
        """Run a handler once."""


class Record:
    """What ran in one test, all with one memory: what one run has done once, the next skips."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.shown: list[str] = []

    async def run_worker(
        self, worker: Worker, events: Iterable[Event | Arrival], **options: Unpack[RunOptions]
    ) -> Result:
        """Run a worker over some events, and keep what is to be shown of it."""
        options.setdefault("memory", self.memory)
        result = await running.run_worker(worker, events, **options)
        self.shown.append(result.table())
        return result

    async def run_handler(
        self, worker: Worker, choice: HandlerChoice, event: Event, **options: Unpack[RunOptions]
    ) -> Run:
        """Run a handler once, and keep what is to be shown of it."""
        options.setdefault("memory", self.memory)
        run = await handler.run_handler(worker, choice, event, **options)
        self.shown.append(table([run]))
        return run


@pytest.fixture
def _relay_record(request: pytest.FixtureRequest) -> Iterator[Record]:
    record = request.node.stash[_records] = Record()
    yield record
    del request.node.stash[_records]


@pytest.fixture
def run_worker(_relay_record: Record) -> RunWorker:
    """Run a worker over some events, to the end of each, and without waiting."""

    def run(
        worker: Worker, events: Iterable[Event | Arrival], **options: Unpack[RunOptions]
    ) -> Result:
        return running.run(_relay_record.run_worker(worker, events, **options))

    return run


@pytest.fixture
def run_handler(_relay_record: Record) -> RunHandler:
    """Run a handler once on an event, and say what would become of that."""

    def run(
        worker: Worker, handler: HandlerChoice, event: Event, **options: Unpack[RunOptions]
    ) -> Run:
        return running.run(_relay_record.run_handler(worker, handler, event, **options))

    return run


@pytest.fixture
def run_worker_async(_relay_record: Record) -> RunWorkerAsync:
    """The same as ``run_worker``, to be awaited."""
    return _relay_record.run_worker


@pytest.fixture
def run_handler_async(_relay_record: Record) -> RunHandlerAsync:
    """The same as ``run_handler``, to be awaited."""

    async def run(
        worker: Worker, handler: HandlerChoice, event: Event, **options: Unpack[RunOptions]
    ) -> Run:
        return await _relay_record.run_handler(worker, handler, event, **options)

    return run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what ran in a test that has failed."""
    report = yield
    record = item.stash.get(_records, None)
    if report.failed and record is not None and record.shown:
        report.sections.append((TITLE, "\n\n".join(record.shown)))
    return report
