"""Handlers and events that must come to the same end in memory and on a real server.

Each has an event type of its own, so that one worker can have all of them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from consumers import Event, GiveUp, Rate, Retry, RetryLater, Worker
from consumers.testing import make_event

QUICK = Retry(attempts=3, base_seconds=0.02)
COUNT_UP = "return redis.call('INCR', KEYS[1])"

# The key of an order, and what the handler saw in it: event id, attempt, how many at once.
Seen = dict[str, list[tuple[str, int, int]]]


@dataclass(slots=True)
class Stage:
    """Where one scenario is played.

    Args:
        worker: Where its handlers are declared.
        seen: What they were given, by order key.
    """

    worker: Worker
    seen: Seen = field(default_factory=lambda: defaultdict(list))

    def see(self, event: Event, key: str | None = None, at_once: int = 1) -> None:
        """Write down a run."""
        self.seen[key or event.id].append((event.id, event.attempt, at_once))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Handlers, events, and how many runs each of them is good for.

    Args:
        name: Of the scenario; also the event type.
        declare: Declares the handlers.
        ids: The events' ids, each with its order key before the ``_``.
        json: Their body.
        unverified: The ids of those of which nothing was proved.
    """

    name: str
    declare: Callable[[Stage], None]
    ids: Sequence[str] = ("one", "two")
    json: Any = None
    unverified: Sequence[str] = ()

    def events(self) -> list[Event]:
        """Make the events."""
        return [
            make_event(
                self.name,
                id=f"{self.name}-{each}",
                account=each.partition("_")[0],
                json=self.json,
                assurance="none" if each in self.unverified else "body",
            )
            for each in self.ids
        ]


def fails_twice(stage: Stage) -> None:
    """Declare a handler that succeeds in its third run."""

    @stage.worker.on("unipile:fails.twice", retry=QUICK)
    async def handle(event: Event) -> None:
        stage.see(event)
        if event.attempt < 3:
            raise ValueError(event.attempt)


def fails_always(stage: Stage) -> None:
    """Declare a plain handler that never succeeds."""

    @stage.worker.on("unipile:fails.always", retry=QUICK)
    def handle(event: Event) -> None:
        stage.see(event)
        raise ValueError


def fails_for_good(stage: Stage) -> None:
    """Declare a handler whose policy does not retry what it raises."""

    @stage.worker.on("unipile:fails.for.good", retry=Retry(on=(OSError,)))
    async def handle(event: Event) -> None:
        stage.see(event)
        raise ValueError


def gives_up(stage: Stage) -> None:
    """Declare a handler that gives up in its second run."""

    @stage.worker.on("unipile:gives.up", retry=QUICK)
    async def handle(event: Event) -> None:
        stage.see(event)
        if event.attempt == 1:
            raise ValueError
        raise GiveUp("no use")


def comes_later(stage: Stage) -> None:
    """Declare a handler that asks for another time more often than it may fail."""

    @stage.worker.on("unipile:comes.later", retry=Retry(attempts=1))
    async def handle(event: Event) -> None:
        stage.see(event)
        if event.attempt < 4:
            raise RetryLater(0.01)


def comes_later_and_fails(stage: Stage) -> None:
    """Declare a handler that fails after it has asked for another time."""

    @stage.worker.on("unipile:later.fails", retry=Retry(attempts=2, base_seconds=0.02))
    async def handle(event: Event) -> None:
        stage.see(event)
        if event.attempt < 3:
            raise RetryLater(0.01)
        raise ValueError


def gets_too_old(stage: Stage) -> None:
    """Declare a handler whose events are too old to be tried again."""

    @stage.worker.on("unipile:gets.too.old", retry=Retry(max_age_seconds=3600))
    async def handle(event: Event) -> None:
        stage.see(event)
        raise RetryLater(7200)


def takes_too_long(stage: Stage) -> None:
    """Declare a handler that does not end in time."""

    @stage.worker.on("unipile:takes.too.long", retry=QUICK, timeout_seconds=0.05)
    async def handle(event: Event) -> None:
        stage.see(event)
        await asyncio.sleep(3600)


def keeps_order(stage: Stage) -> None:
    """Declare an ordered handler; the head of one key fails, and one key's head is set aside."""

    @stage.worker.on("unipile:keeps.order", retry=QUICK, order_by="account")
    async def handle(event: Event) -> None:
        stage.see(event, event.account)
        if event.id.endswith("a_1") and event.attempt < 3:
            raise ValueError
        if event.id.endswith("b_1"):
            raise ValueError


def batches(stage: Stage) -> None:
    """Declare a handler of batches that one of the events breaks."""
    # Long, so that a slow machine still has all of them in one; a full one does not wait.

    @stage.worker.on_batch("unipile:batches", size=3, wait_seconds=5, retry=QUICK)
    async def handle(events: list[Event]) -> None:
        for event in events:
            stage.see(event, at_once=len(events))
        if any(event.id.endswith("bad") for event in events):
            raise ValueError


def batches_tell(stage: Stage) -> None:
    """Declare a handler of batches that says of each event what became of it."""

    @stage.worker.on_batch("unipile:batches.tell", size=4, wait_seconds=5, retry=QUICK)
    async def handle(events: list[Event]) -> list[Exception | None]:
        for event in events:
            stage.see(event, at_once=len(events))
        return [_told(event) for event in events]


def _told(event: Event) -> Exception | None:
    if event.id.endswith("bad"):
        return GiveUp("bad")
    if event.id.endswith("slow") and event.attempt == 1:
        return ValueError("slow")
    return None


def steps(stage: Stage) -> None:
    """Declare a handler that fails after a step which must not run twice."""

    @stage.worker.on("unipile:steps", retry=QUICK)
    async def handle(event: Event) -> None:
        async with event.once("charge") as step:
            if step.needed:
                stage.see(event)
        if event.attempt == 1:
            raise ValueError


def unknown_step(stage: Stage) -> None:
    """Declare a handler that breaks off in a step which must not be tried again."""

    @stage.worker.on("unipile:unknown.step", retry=QUICK)
    async def handle(event: Event) -> None:
        async with event.once("charge", if_unknown="raise"):
            stage.see(event)
            raise TimeoutError


def failed_step(stage: Stage) -> None:
    """Declare a handler whose step certainly did not happen, so that it runs again."""

    @stage.worker.on("unipile:failed.step", retry=QUICK)
    async def handle(event: Event) -> None:
        async with event.once("charge", if_unknown="raise", failed_on=(LookupError,)):
            stage.see(event)
            if event.attempt == 1:
                raise LookupError


def forgets_await(stage: Stage) -> None:
    """Declare a handler that does not wait for its step."""

    @stage.worker.on("unipile:forgets.await", retry=QUICK)
    async def handle(event: Event) -> None:
        stage.see(event)
        _ = event.once("charge").run(len, "abc")


def commits(stage: Stage) -> None:
    """Declare a handler that fails after its commit."""

    @stage.worker.on("unipile:commits", retry=QUICK)
    async def handle(event: Event) -> None:
        stage.see(event)
        await event.commit(COUNT_UP, keys=[event.key("count")])
        raise ValueError


def unverified(stage: Stage) -> None:
    """Declare a handler that takes verified events only."""

    @stage.worker.on("unipile:unverified")
    async def handle(event: Event) -> None:
        stage.see(event)


class Order(msgspec.Struct):
    """A payload that the events do not fit."""

    number: int


def payloads(stage: Stage) -> None:
    """Declare a handler of typed payloads."""

    @stage.worker.on("unipile:payloads", retry=QUICK)
    async def handle(event: Event, order: Order) -> None:
        stage.see(event)


def around(stage: Stage) -> None:
    """Declare a handler with a middleware that lets nothing through the first time."""

    async def stop(event: Event, call_next: Any) -> None:
        if event.attempt == 1:
            raise ValueError
        await call_next(event)

    @stage.worker.on("unipile:around", retry=QUICK, middleware=[stop])
    def handle(event: Event) -> None:
        stage.see(event)


def most_specific(stage: Stage) -> None:
    """Declare two handlers, one of which knows better."""

    @stage.worker.on("unipile:most.*")
    async def handle_any(event: Event) -> None:
        stage.see(event, "any")

    @stage.worker.on("unipile:most.specific", rate_limit=Rate(100))
    async def handle(event: Event) -> None:
        stage.see(event)


SCENARIOS = [
    Scenario("fails.twice", fails_twice),
    Scenario("fails.always", fails_always),
    Scenario("fails.for.good", fails_for_good),
    Scenario("gives.up", gives_up),
    Scenario("comes.later", comes_later),
    Scenario("later.fails", comes_later_and_fails),
    Scenario("gets.too.old", gets_too_old),
    Scenario("takes.too.long", takes_too_long),
    Scenario("keeps.order", keeps_order, ["a_1", "a_2", "b_1", "c_1", "b_2", "a_3", "c_2"]),
    Scenario("batches", batches, ["good", "bad", "fine"]),
    Scenario("batches.tell", batches_tell, ["good", "bad", "slow", "fine"]),
    Scenario("steps", steps),
    Scenario("unknown.step", unknown_step),
    Scenario("failed.step", failed_step),
    Scenario("forgets.await", forgets_await),
    Scenario("commits", commits),
    # A stream is only begun by an event of which something was proved.
    Scenario("unverified", unverified, unverified=["two"]),
    Scenario("payloads", payloads, json={"number": "three"}),
    Scenario("around", around),
    Scenario("most.specific", most_specific),
]
