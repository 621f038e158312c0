"""What a user declares, and what is wrong with it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumers import Retry, Worker
from consumers.event import Event
from consumers.worker import Handler
from relay.contract.errors import ConfigurationFault
from tests.consumers.making import do_nothing, make_handler


def declared(*patterns: str, group: str = "crm", **options: Any) -> Worker:
    """Declare a worker with one handler per pattern."""
    worker = Worker(group=group)
    for pattern in patterns:
        worker.on(pattern, **options)(do_nothing)
    return worker


def faults_of(worker: Worker) -> tuple[str, ...]:
    """Give the faults of a declaration, none if it is right."""
    try:
        worker.check()
    except ConfigurationFault as fault:
        return fault.faults
    return ()


def test_a_declaration_with_a_group_and_a_handler_is_right() -> None:
    """Nothing else is needed."""
    assert faults_of(declared("unipile:message.new")) == ()


def test_declaring_gives_the_function_back_as_it_was() -> None:
    """It can be called, tested, and declared for a second pattern."""
    worker = Worker(group="crm")
    declare = worker.on("unipile:message.new")

    assert declare(do_nothing) is do_nothing
    assert worker.on("unipile:email.new")(do_nothing) is do_nothing
    assert [str(handler.pattern) for handler in worker.handlers] == [
        "unipile:message.new",
        "unipile:email.new",
    ]


def test_options_are_those_of_the_handler() -> None:
    """Each reaches the handler that it was given for."""
    retry = Retry(attempts=3)
    (handler,) = declared(
        "unipile:*",
        retry=retry,
        timeout_seconds=None,
        concurrency=2,
        read_ahead=0,
        accept_unverified=True,
    ).handlers

    assert handler.retry is retry
    assert handler.timeout_seconds is None
    assert (handler.concurrency, handler.read_ahead) == (2, 0)
    assert handler.accept_unverified


@pytest.mark.parametrize("pattern", ["message.new", ":message.new", "unipile:", ""])
def test_what_is_no_pattern_is_refused_where_it_is_written(pattern: str) -> None:
    """The message shows the form, with an example."""
    with pytest.raises(ValueError, match="write endpoint:type"):
        Worker(group="crm").on(pattern)(do_nothing)


@pytest.mark.parametrize("group", ["", "CRM", "-crm", "c r m", "@park", "x" * 64])
def test_a_group_needs_a_name_that_keys_can_hold(group: str) -> None:
    """The fault repeats the name and says what one looks like."""
    (fault,) = faults_of(declared("unipile:*", group=group))

    assert repr(group) in fault
    assert "lower-case letters" in fault


def test_a_worker_without_handlers_is_a_fault() -> None:
    """It would wait for ever for nothing."""
    (fault,) = faults_of(Worker(group="crm"))

    assert "@worker.on" in fault


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"concurrency": 0}, "do_nothing: concurrency must be"),
        ({"concurrency": "5"}, "do_nothing: concurrency must be"),
        ({"read_ahead": -1}, "do_nothing: read_ahead must be"),
        ({"timeout_seconds": "30"}, "do_nothing: timeout_seconds must be"),
        ({"timeout_seconds": -1}, "do_nothing: timeout_seconds must be"),
        ({"retry": 3}, "do_nothing: retry must be"),
    ],
)
def test_a_handlers_options_are_checked(options: dict[str, Any], said: str) -> None:
    """The fault names the handler and the option."""
    (fault,) = faults_of(declared("unipile:*", **options))

    assert fault.startswith(said)


def test_a_generator_is_no_handler() -> None:
    """It would be called and never run, and its events acknowledged."""
    worker = Worker(group="crm")

    @worker.on("unipile:*")
    async def handle(event: Event) -> AsyncIterator[int]:
        yield 1

    (fault,) = faults_of(worker)
    assert "is a generator" in fault


@pytest.mark.parametrize("start", ["beginning", 5])
def test_an_unknown_start_is_a_fault(start: Any) -> None:
    """Else the worker would run for ever and join nothing."""
    worker = declared("unipile:*")
    worker.start = start

    (fault,) = faults_of(worker)
    assert fault.startswith("start ")


def test_a_decorator_without_its_pattern_says_how_it_is_used() -> None:
    """It is the most common slip."""
    worker = Worker(group="crm")

    with pytest.raises(TypeError, match="needs a pattern"):
        worker.on(print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unipile:message.new", "unipile:message.new"),
        ("*:a*", "*:*b"),
        ("unipile:*x", "unipile:x*"),
        ("uni*:x", "*uni:x"),
    ],
)
def test_two_patterns_that_tie_on_some_stream_are_a_fault(one: str, other: str) -> None:
    """Exactly one handler has a stream; which one must not depend on the order of declaration."""
    (fault,) = faults_of(declared(one, other))

    assert f"({one})" in fault
    assert f"({other})" in fault
    assert "neither is more specific" in fault


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unipile:message.new", "unipile:message.*"),
        ("unipile:message.new", "github:message.new"),
        ("*:*", "unipile:*"),
        ("unipile:a*", "unipile:b*"),
        ("*:aaa", "unipile:*b"),
    ],
)
def test_patterns_that_never_tie_stand_side_by_side(one: str, other: str) -> None:
    """One says more than the other, or no stream is meant by both."""
    assert faults_of(declared(one, other)) == ()


def test_all_faults_are_told_together() -> None:
    """Whoever mends them starts the worker once more, not once per fault."""
    worker = declared("unipile:*", "unipile:*", group="No", concurrency=0)
    faults = faults_of(worker)

    assert len(faults) == 4
    assert str(ConfigurationFault(faults)) == "\n".join(faults)


def test_a_handler_is_called_after_its_function() -> None:
    """A method by its class too, and an object that can be called by its class."""

    class Store:
        async def message(self, event: Event) -> None:
            """Handle an event."""

        async def __call__(self, event: Event) -> None:
            """Handle an event."""

    def named(function: Any) -> Handler:
        return make_handler(function)

    assert named(do_nothing).name == "do_nothing"
    assert named(Store().message).name.endswith("Store.message")
    assert named(Store()).name == "Store"
