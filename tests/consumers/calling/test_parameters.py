"""What a user's function is given by its parameters, and what is said where nothing is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator  # noqa: TC003 - resolved here
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from consumers import Event, Rate, Worker
from consumers.handle import Runner
from consumers.outcome import Done
from tests.consumers.making import do_nothing, make_handler, make_seen
from tests.consumers.test_worker import faults_of

if TYPE_CHECKING:
    from collections.abc import Hashable as OnlyForCheckers


class Message(msgspec.Struct):
    """A payload."""

    text: str


class Config(msgspec.Struct):
    """Looks like a payload, and is a resource."""

    url: str


@dataclass
class Pool:
    """A resource that looks like a payload, and like one that cannot be decoded."""

    sizes: list[int] | set[int]


def declared(function: Callable[..., Any], *resources: str, **options: Any) -> Worker:
    """Declare a handler, and resources of these names."""
    worker = Worker(group="crm")
    worker.on("unipile:*", **options)(function)
    for name in resources:

        def resource() -> str:
            return "open"

        resource.__name__ = name
        worker.resource(resource)
    return worker


# --- what is given


async def handle(event: Event, db: str) -> None:
    """Ask for a resource."""


async def handle_by_keyword(event: Event, *, db: str) -> None:
    """Ask for a resource."""


async def handle_payload(event: Event, message: Message) -> None:
    """Ask for the payload."""


async def handle_both(event: Event, db: str, message: Annotated[Message, "theirs"]) -> None:
    """Ask for both."""


async def handle_with_default(event: Event, limit: int = 5) -> None:
    """Ask for nothing that is needed."""


async def handle_with_name_of_ours(first: Event, event: str = "theirs") -> None:
    """Ask for nothing, by a name that means something elsewhere."""


async def handle_anything(*args: Any, **kwargs: Any) -> None:
    """Take whatever comes."""


async def handle_for_checkers(event: OnlyForCheckers) -> None:
    """Annotated with what is not there when it runs, as the event's type often is."""


class Store:
    """Handlers that are methods and objects."""

    async def message(self, event: Event, db: str) -> None:
        """Ask for a resource."""

    async def __call__(self, event: Event, message: Message) -> None:
        """Ask for the payload."""


@pytest.mark.parametrize(
    "function",
    [
        do_nothing,
        handle,
        handle_by_keyword,
        handle_payload,
        handle_both,
        handle_with_default,
        handle_with_name_of_ours,
        handle_anything,
        handle_for_checkers,
        Store().message,
        Store(),
        partial(handle, db="mine"),
        lambda event: None,
        print,
    ],
)
async def test_what_can_be_given_is_no_fault_and_runs(function: Any) -> None:
    """Also where annotations are texts, as in this module."""
    assert faults_of(declared(function, "db")) == ()

    runner = Runner(make_handler(function))
    runner.provide({"db": "open"})
    assert await runner.run(make_seen(data=b'{"text": "hello"}')) == Done()
    runner.close()


async def test_values_arrive_at_their_parameters() -> None:
    """Each by its name; a default gives way to a resource of its name."""
    seen: list[Any] = []

    async def take(
        event: Event, db: str, message: Message, cache: str = "none", n: int = 5
    ) -> None:
        seen.append((event.id, db, message, cache, n))

    runner = Runner(make_handler(take))
    runner.provide({"db": "DB", "cache": "CACHE", "other": "OTHER"})
    await runner.run(make_seen(data=b'{"text": "hello"}'))

    assert seen == [("evt_1", "DB", Message("hello"), "CACHE", 5)]


async def test_a_resource_may_be_of_a_type_that_no_body_can_be_decoded_to() -> None:
    """It is never taken for a payload, also before it is open."""
    seen: list[Pool] = []

    async def take(event: Event, pool: Pool) -> None:
        seen.append(pool)

    runner = Runner(make_handler(take))
    runner.provide({"pool": Pool([1])})
    await runner.run(make_seen())

    assert seen == [Pool([1])]


async def test_a_plain_function_is_given_the_same() -> None:
    """In its thread."""
    seen: list[Any] = []

    def take(event: Event, db: str, message: Message) -> None:
        seen.append((event.id, db, message.text))

    runner = Runner(make_handler(take))
    runner.provide({"db": "DB"})
    outcome = await runner.run(make_seen(data=b'{"text": "hello"}'))
    runner.close()

    assert outcome == Done()
    assert seen == [("evt_1", "DB", "hello")]


def test_a_handler_that_asks_for_nothing_is_called_as_it_is() -> None:
    """Nothing stands between, so that it costs nothing."""
    runner = Runner(make_handler(do_nothing))
    runner.provide({"db": "DB"})

    assert runner._call is do_nothing


def passing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a handler, and pass on what comes."""

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        await function(*args, **kwargs)

    return wrapper


def giving(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a handler, and give it something more."""

    @wraps(function)
    async def wrapper(event: Event, db: str) -> None:
        await function(event, f"a connection of {db}")

    return wrapper


@pytest.mark.parametrize(
    ("decorators", "given"),
    [
        ([passing_on], "DB"),
        ([giving], "a connection of DB"),
        ([giving, passing_on], "a connection of DB"),
        ([passing_on, giving], "a connection of DB"),
    ],
)
async def test_a_decorator_with_parameters_of_its_own_says_what_it_takes(
    decorators: list[Callable[..., Any]], given: str
) -> None:
    """And one that passes on whatever comes takes what the function takes."""
    seen: list[str] = []

    async def take_db(event: Event, db: str) -> None:
        seen.append(db)

    async def take_connection(event: Event, connection: str) -> None:
        seen.append(connection)

    function: Callable[..., Any] = take_connection if giving in decorators else take_db
    for decorate in decorators:
        function = decorate(function)
    assert faults_of(declared(function, "db")) == ()
    runner = Runner(make_handler(function))
    runner.provide({"db": "DB"})
    await runner.run(make_seen())

    assert seen == [given]


# --- what is not there


def missing(event: Event, dbb: str) -> None:
    """Ask for what is not declared."""


def positional(event: Event, db: str, /) -> None:
    """Ask in a way that cannot be answered."""


def nothing() -> None:
    """Take no event."""


def no_event(db: str) -> None:
    """Forget the event."""


def keyword_event(*, event: Event) -> None:
    """Take the event where it does not come."""


def payload_alone(message: Message) -> None:
    """Take the payload where the event comes."""


def payload_first(message: Message, event: Event) -> None:
    """Take both the wrong way round."""


def event_behind(db_name: str, event: Event) -> None:
    """Take the event where it does not come."""


def twice(event: Event, one: Message, other: Message) -> None:
    """Ask for two payloads."""


def unresolved(event: Event, message: OnlyForCheckers) -> None:
    """Annotated with what is not there when it runs."""


def mistaken(event: Event, conf: Config) -> None:
    """Ask for a resource by another name than its own."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (missing, "missing: nothing provides 'dbb': declare @worker.resource def dbb()"),
        (positional, "positional: 'db' can be given by position only"),
        (nothing, "nothing: takes too little: its first parameter is event"),
        (no_event, "no_event: the resource 'db' is in the wrong place: its first parameter is"),
        (keyword_event, "keyword_event: takes too little: its first parameter is event"),
        (payload_alone, "payload_alone: takes the payload first: its first parameter is event"),
        (payload_first, "payload_first: takes the payload first: its first parameter is event"),
        (event_behind, "event_behind: 'event' is in the wrong place: its first parameter is event"),
        (Store.message, "Store.message: is a method without its object"),
        (Store, "Store: is a class"),
        (twice, "twice: 'one' and 'other' would both be the payload"),
        (unresolved, "unresolved: the annotation of 'message' cannot be resolved: NameError"),
        (mistaken, "mistaken: 'conf' is annotated with what the resource 'config' gives"),
        (5, "int: is no function"),
    ],
)
def test_what_cannot_be_given_is_a_fault_at_start(function: Any, said: str) -> None:
    """The fault names function and parameter, and says what to do."""
    worker = declared(function, "db")

    @worker.resource
    async def config() -> AsyncIterator[Config]:
        yield Config("redis://")

    faults = faults_of(worker)

    assert faults[0].startswith(said)


def test_all_faults_of_parameters_are_told_together() -> None:
    """With those of resources, hooks and middleware."""
    worker = declared(missing)

    @worker.resource
    def event() -> None:
        """Take the event's name."""

    @worker.resource
    def one(other: str) -> None:
        """Need the other."""

    @worker.resource
    def other(one: str) -> None:
        """Need the one."""

    @worker.resource
    def third(one: str) -> None:
        """Wait for both, and be in no circle."""

    worker.resource(third)

    @worker.on_startup
    def prepare(absent: str) -> None:
        """Need what is not there."""

    @worker.on_shutdown
    def leave() -> Iterator[None]:
        """Have a yield."""
        yield

    @worker.middleware
    async def around(event: Event) -> None:
        """Forget the way on."""

    worker.middleware(lambda event, call_next: None)  # type: ignore[type-var]
    said = "\n".join(faults_of(worker))

    assert "missing: nothing provides 'dbb'" in said
    assert "resource 'event': no parameter can ask for this name" in said
    assert "resources need each other in a circle: one, other\n" in said
    assert "resource 'third' is declared twice" in said
    assert "prepare: nothing provides 'absent'" in said
    assert "leave: has a yield" in said
    assert "middleware around: takes too little: its first parameters are event, call_next" in said
    assert "middleware <lambda>: must be an async function" in said
    assert len(said.splitlines()) == 8


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (do_nothing, {"payload_at": "/payload"}, "no parameter takes it"),
        (handle_payload, {"payload_at": "payload"}, "is no JSON pointer"),
        (do_nothing, {"rate_limit": 5}, "rate_limit must be a Rate"),
        (do_nothing, {"middleware": [print]}, "middleware print: must be an async function"),
    ],
)
def test_options_around_a_handler_are_checked(
    function: Any, options: dict[str, Any], said: str
) -> None:
    """The fault names the handler."""
    (fault,) = faults_of(declared(function, **options))

    assert fault.startswith(f"{function.__name__}: ")
    assert said in fault


@pytest.mark.parametrize("arguments", [(0,), (1.5,), (1, 0), (1, -1), (1, float("nan"))])
def test_a_rate_is_checked_where_it_is_written(arguments: tuple[Any, ...]) -> None:
    """The message says which of its arguments is wrong."""
    with pytest.raises(ValueError, match=r"Rate\((runs|per_seconds)=…\) must be"):
        Rate(*arguments)


def test_a_context_managers_type_is_what_it_yields() -> None:
    """A parameter of that type under another name is no payload."""
    worker = declared(mistaken)

    @worker.resource
    @asynccontextmanager
    async def config() -> AsyncIterator[Config]:
        yield Config("redis://")

    (fault,) = faults_of(worker)

    assert "what the resource 'config' gives" in fault
