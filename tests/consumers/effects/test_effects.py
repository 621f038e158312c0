"""What becomes of an event whose handler acted in the store and then failed."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import Event, GiveUp, LeaseLost
from consumers.handle import Runner
from consumers.pipeline import process
from tests.consumers.effecting import COUNT_UP, given_to_another
from tests.consumers.making import dead_letters, make_handler, pending
from tests.consumers.settling import Scene

pytestmark = pytest.mark.redis


async def handled(scene: Scene, function: Any) -> list[Any]:
    """Take the scene's entry through the pipeline; give the log."""
    with capture_logs() as logs:
        await process(scene.entry, scene.room, Runner(make_handler(function)), scene.settler)
        await scene.settler.flush()
    return logs


@pytest.mark.parametrize("error", [ValueError, GiveUp, TimeoutError])
async def test_a_failure_after_the_commit_does_not_bring_the_event_back(
    scene: Scene, error: type[Exception]
) -> None:
    """It is settled with its effect; the log says that something went wrong afterwards."""

    async def commit_and_fail(event: Event) -> None:
        await event.commit(COUNT_UP, [event.key("balance")], [1])
        raise error

    logs = await handled(scene, commit_and_fail)

    assert [line["event"] for line in logs] == ["failed_after_commit"]
    assert await pending(scene.store) == {}
    assert await dead_letters(scene.store) == []
    assert scene.room.free == 110


async def test_a_failure_before_the_commit_brings_the_event_back(scene: Scene) -> None:
    """Nothing has happened yet."""

    async def fail_first(event: Event) -> None:
        if event.attempt == 1:
            raise ValueError
        await event.commit(COUNT_UP, [event.key("balance")], [1])

    await handled(scene, fail_first)

    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}


@pytest.mark.parametrize("forgotten", ["commit", "once"])
async def test_an_effect_that_nobody_awaits_brings_the_event_back(
    scene: Scene, forgotten: str
) -> None:
    """It never began, and without the event nobody would ever know."""

    async def forget(event: Event) -> None:
        if forgotten == "commit":
            _ = event.commit(COUNT_UP, [event.key("balance")], [1])
        else:
            _ = event.once("charge").run(print)

    (line, *_) = await handled(scene, forget)

    assert (line["event"], line["error"]) == ("attempt_failed", "RuntimeError")
    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}


async def test_an_effect_that_has_not_ended_with_its_handler_brings_the_event_back(
    scene: Scene,
) -> None:
    """It may be too late by now, so that only another run can tell."""
    held = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def leave_behind(event: Event) -> None:
        step = event.once("charge")
        tasks.append(asyncio.create_task(step.run(held.wait)))
        await asyncio.sleep(0)

    await handled(scene, leave_behind)
    held.set()
    await asyncio.wait(tasks)

    assert await pending(scene.store) == {scene.entry.entry_id: "@park"}


async def test_an_effect_that_a_task_has_brought_to_its_end_is_enough(scene: Scene) -> None:
    """It need not be awaited by name."""

    async def gather(event: Event) -> None:
        await asyncio.gather(event.once("one").run(int), event.once("other").run(int))

    logs = await handled(scene, gather)

    assert logs == []
    assert await pending(scene.store) == {}


async def test_a_commit_that_comes_too_late_changes_nothing(scene: Scene) -> None:
    """The worker that has taken the event over settles it."""

    async def stall(event: Event) -> None:
        await given_to_another(scene.store, event.entry_id)
        with pytest.raises(LeaseLost):
            await event.commit(COUNT_UP, [event.key("balance")], [1])
        raise ValueError

    logs = await handled(scene, stall)

    assert [line["event"] for line in logs] == ["attempt_failed", "outcome_late"]
    assert await pending(scene.store) == {scene.entry.entry_id: "other"}


async def test_an_unknown_outcome_that_must_not_be_repeated_goes_to_the_dead_letters(
    scene: Scene,
) -> None:
    """With a reason of its own, and at once."""

    async def charge(event: Event) -> None:
        async with event.once("charge", if_unknown="raise"):
            raise TimeoutError

    async def charge_again(event: Event) -> None:
        # The same entry, as the next run would find it.
        with pytest.raises(TimeoutError):
            await charge(event)
        await charge(event)

    await handled(scene, charge_again)
    (letter,) = await dead_letters(scene.store)

    assert letter[b"reason"] == b"outcome_unknown"
    assert await pending(scene.store) == {}
