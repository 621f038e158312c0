"""Background duties: restarted when they fail, ended when told to."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from relay.contract import duties
from relay.contract.duties import Duties, to_its_end
from relay.contract.frames import frames
from tests.canaries import IN_MESSAGE
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a failed duty begin again at once."""
    monkeypatch.setattr(duties, "FIRST_PAUSE_SECONDS", 0.0)


class Duty:
    """Counts its runs; fails as often as told, then runs until cancelled."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.runs = 0
        self.cancelled = False

    async def __call__(self) -> None:
        """Run once."""
        self.runs += 1
        if self._errors:
            raise self._errors.pop(0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_duty_that_fails_runs_again() -> None:
    """Neither a bug nor a lost store ends a duty for good."""
    duty, owner = Duty(ValueError(), RedisConnectionError(), OSError()), Duties()

    owner.start("failing", duty)
    await wait_until(lambda: duty.runs == 4, description="the duty ran a fourth time")
    await owner.stop()

    assert duty.cancelled


async def test_one_duty_does_not_take_another_down() -> None:
    """While one fails for ever, its neighbour runs on undisturbed."""
    failing, steady, owner = Duty(*[ValueError()] * 1000), Duty(), Duties()

    owner.start("failing", failing)
    owner.start("steady", steady)
    await wait_until(lambda: failing.runs >= 3, description="the duty failed three times")

    assert steady.runs == 1
    assert not steady.cancelled
    await owner.stop()


async def test_stop_returns_when_all_have_ended() -> None:
    """After stop no duty runs, not even what it does on its way out."""
    ended = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    owner, other = Duties(), Duty()
    owner.start("slow", slow_to_end)
    owner.start("other", other)
    await wait_until(lambda: other.runs == 1, description="the duties run")
    await owner.stop()

    assert ended == [True]
    assert other.cancelled


async def test_a_duty_that_loses_its_cancellation_is_stopped_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some libraries swallow a cancellation now and then; stopping must not wait for ever."""
    monkeypatch.setattr(duties, "CANCEL_AGAIN_SECONDS", 0.01)
    lost: list[bool] = []

    async def deaf() -> None:
        while len(lost) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.append(True)
        await asyncio.Event().wait()

    owner, other = Duties(), Duty()
    owner.start("deaf", deaf)
    owner.start("other", other)
    await wait_until(lambda: other.runs == 1, description="the duties run")
    await owner.stop()

    assert len(lost) == 3


async def test_stop_may_come_before_start_and_twice() -> None:
    """Stopping what never began, or has ended, is no error."""
    owner, duty = Duties(), Duty()
    await owner.stop()
    owner.start("one", duty)
    await owner.stop()
    await owner.stop()

    assert not duty.runs or duty.cancelled


async def test_a_duty_that_returns_is_done() -> None:
    """Returning is not failing."""
    runs = []

    async def once() -> None:
        runs.append(True)

    owner = Duties()
    owner.start("once", once)
    await wait_until(owner._tasks["once"].done, description="the duty ended")
    await owner.stop()

    assert runs == [True]


async def test_a_bug_is_logged_without_its_message() -> None:
    """Type and frames are told; the message may quote a payload."""
    duty, owner = Duty(ValueError("a payload"), RedisConnectionError("a password")), Duties()

    with capture_logs() as captured:
        owner.start("failing", duty)
        await wait_until(lambda: duty.runs == 3, description="the duty ran a third time")
        await owner.stop()

    assert [(line["event"], line["error"]) for line in captured] == [
        ("duty_failed", "ValueError"),
        ("duty_waits_for_store", "ConnectionError"),
    ]
    assert "a payload" not in str(captured)
    assert "a password" not in str(captured)
    assert captured[0]["frames"][-1].endswith("__call__")


async def test_a_duty_that_waits_for_the_store_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often it is tried; and once that it goes on, after which it may wait again."""
    monkeypatch.setattr(duties, "LAST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(duties, "HEALTHY_SECONDS", 0.01)
    runs, go_on, owner = 0, asyncio.Event(), Duties()

    async def duty() -> None:
        nonlocal runs
        runs += 1
        if runs != 4:
            raise RedisConnectionError
        await go_on.wait()
        raise TimeoutError

    def said(event: str) -> int:
        """Count what was said."""
        return [line["event"] for line in captured].count(event)

    with capture_logs() as captured:
        owner.start("waiting", duty)
        await wait_until(lambda: said("duty_goes_on") == 1, description="it goes on")
        before = list(captured)
        go_on.set()
        await wait_until(lambda: runs > 6, description="it is tried again and again")
        await owner.stop()

    assert [(line["event"], line["duty"]) for line in before] == [
        ("duty_waits_for_store", "waiting"),
        ("duty_goes_on", "waiting"),
    ]
    assert [line["error"] for line in captured[2:]] == ["TimeoutError"]


async def test_a_duty_that_ends_after_it_waited_says_so() -> None:
    """Ending is going on as well."""
    errors, owner = [OSError(), OSError()], Duties()

    async def duty() -> None:
        if errors:
            raise errors.pop()

    with capture_logs() as captured:
        owner.start("short", duty)
        await wait_until(owner._tasks["short"].done, description="it has ended")

    assert [line["event"] for line in captured] == ["duty_waits_for_store", "duty_goes_on"]


async def test_a_step_is_taken_whole_however_often_it_is_cancelled() -> None:
    """What it did is heard of; the cancellation comes after it."""
    gate, ended = asyncio.Event(), []

    async def step() -> None:
        await gate.wait()
        ended.append(True)

    taking = asyncio.create_task(to_its_end(step()))
    for _ in range(3):
        await asyncio.sleep(0)
        taking.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await taking

    assert ended == [True]


async def test_a_step_that_nobody_cancels_gives_what_it_gave() -> None:
    """Also where that is an error."""

    async def step(error: Exception | None) -> int:
        if error is not None:
            raise error
        return 7

    assert await to_its_end(step(None)) == 7
    with pytest.raises(KeyError):
        await to_its_end(step(KeyError("gone")))


def test_frames_say_where_and_not_what() -> None:
    """The innermost frame comes last, and no message is among them."""

    def innermost() -> None:
        raise ValueError(IN_MESSAGE)

    with pytest.raises(ValueError) as caught:
        innermost()

    found = frames(caught.value)
    assert found[-1].endswith("innermost")
    assert "hidden" not in "".join(found)
