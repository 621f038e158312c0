"""What a user declares, and what is wrong with it."""

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumers import Retry, Worker
from consumers.event import Event
from consumers.worker import Batch, Handler
from relay.contract.errors import ConfigurationFault
from tests.consumers import isolated
from tests.consumers.making import do_nothing, make_handler


def declared(*patterns: str, group: str = "crm", **options: Any) -> Worker:
    """Declare a worker with one handler per pattern."""
    worker = Worker(group=group)
    for pattern in patterns:
        worker.on(pattern, **options)(do_nothing)
    return worker


def declared_as(function: Any, **options: Any) -> Worker:
    """Declare a worker with one handler in a process of its own."""
    worker = Worker(group="crm")
    worker.on("unipile:*", **{"isolate": "process"} | options)(function)
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
        ({"accept_unverified": "no"}, "do_nothing: accept_unverified must be"),
        ({"order_by": 5}, "do_nothing: order_by=5: "),
        ({"order_by": "acount"}, "do_nothing: order_by='acount': "),
        ({"order_by": do_nothing}, "do_nothing: order_by must be a plain function"),
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


# --- several at once


def test_options_of_a_batch_are_those_of_its_handler() -> None:
    """The function comes back as it was, and the other options are those of any handler."""
    worker = Worker(group="crm")
    declare = worker.on_batch("unipile:*", size=5, wait_seconds=0, concurrency=2, read_ahead=7)

    async def handle(events: list[Event]) -> None:
        """Handle events."""

    assert declare(handle) is handle
    (handler,) = worker.handlers
    assert handler.batch == Batch(5, 0)
    assert (handler.concurrency, handler.read_ahead) == (2, 7)
    assert handler.most_running == 10
    assert faults_of(worker) == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "size must be"),
        ({"size": 1.5}, "size must be"),
        ({"wait_seconds": -1}, "wait_seconds must be"),
        ({"wait_seconds": "1"}, "wait_seconds must be"),
        ({"concurrency": 0}, "concurrency must be"),
    ],
)
def test_a_batch_handlers_options_are_checked(options: dict[str, Any], said: str) -> None:
    """Those of its own, and those of any handler."""
    worker = Worker(group="crm")
    worker.on_batch("unipile:*", **options)(lambda events: None)

    (fault,) = faults_of(worker)
    assert said in fault


def test_a_batch_promises_no_order() -> None:
    """Who asks for both is told so at the start."""
    worker = declared("unipile:*")
    worker.handlers[0] = make_handler(batch=Batch(5, 1), order_by="account")

    (fault,) = faults_of(worker)
    assert "order_by does not go with on_batch" in fault


def test_single_and_batch_handlers_share_the_rules_of_patterns() -> None:
    """Exactly one handler has a stream, of whichever kind."""
    worker = declared("unipile:message.*", "unipile:email.new")
    worker.on_batch("unipile:message.*")(lambda events: None)
    worker.on_batch("unipile:email.*")(lambda events: None)

    (fault,) = faults_of(worker)
    assert "neither is more specific" in fault


# --- in a process of its own


@pytest.mark.parametrize("function", [isolated.note, isolated.give_up, isolated.Outer.alone])
def test_a_function_that_is_found_by_its_name_can_be_isolated(function: Any) -> None:
    """Another process imports its module and finds it there."""
    assert faults_of(declared_as(function)) == ()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda event: None, "at the top of a module"),
        (isolated.Outer().method, "at the top of a module"),
        (functools.partial(isolated.note), "at the top of a module"),
        (functools.wraps(isolated.note)(lambda event: None), "at the top of a module"),
    ],
    ids=["lambda", "method", "partial", "wrapper of another"],
)
def test_a_function_that_another_process_would_not_find_is_a_fault(
    function: Any, said: str
) -> None:
    """At the start, and not with the first event."""
    (fault,) = faults_of(declared_as(function))

    assert said in fault


def test_an_isolated_function_cannot_ask_for_resources() -> None:
    """They are open in the worker, and cannot be handed to another process."""
    worker = declared_as(isolated.two)
    (alone,) = faults_of(worker)
    worker.resource(other)
    (provided,) = faults_of(worker)

    assert "nothing provides 'other'" in alone
    assert "no resource: 'other' stays here" in provided


def other() -> int:
    """Be a resource."""
    return 1


def test_a_batch_handler_can_ask_for_resources_and_for_nothing_else() -> None:
    """A payload is one event's."""

    async def insert(events: list[Event], other: int) -> None:
        """Ask for a resource."""

    worker = Worker(group="crm")
    worker.on_batch("unipile:*")(insert)
    (fault,) = faults_of(worker)
    worker.resource(other)

    assert "nothing provides 'other'" in fault
    assert faults_of(worker) == ()


def test_a_function_of_the_program_itself_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module has another name in any other process."""
    monkeypatch.setattr(isolated.note, "__module__", "__main__")

    assert "not found in module __main__" in faults_of(declared_as(isolated.note))[0]


def test_a_policy_that_another_process_would_not_understand_is_a_fault() -> None:
    """Its exceptions are imported there too."""

    class Local(Exception):
        """Known here only."""

    (fault,) = faults_of(declared_as(isolated.note, retry=Retry(on=(Local,))))

    assert "retry names exceptions" in fault


def test_there_is_one_kind_of_isolation() -> None:
    """A slip must not run the function in the worker itself."""
    (fault,) = faults_of(declared_as(isolated.note, isolate="thread"))

    assert 'isolate must be "process"' in fault


@pytest.mark.parametrize("start", ["beginning", 5, ["now"]])
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
    with pytest.raises(TypeError, match="on_batch needs a pattern"):
        worker.on_batch(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs a pattern"):
        worker.on(5)  # type: ignore[arg-type]


def test_middleware_without_its_list_says_how_it_is_given() -> None:
    """Where it is written, as for the pattern."""
    with pytest.raises(TypeError, match="list of middleware"):
        Worker(group="crm").on("unipile:*", middleware=print)  # type: ignore[arg-type]


@pytest.mark.parametrize("declare", [Worker.resource, Worker.on_startup, Worker.on_shutdown])
def test_what_cannot_be_called_is_a_fault_wherever_it_is_declared(declare: Any) -> None:
    """Not only as a handler."""
    worker = declared("unipile:*")
    declare(worker, 5)
    (fault,) = faults_of(worker)

    assert fault.endswith(": is no function")


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
