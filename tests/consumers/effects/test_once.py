"""Steps that run once: what is written down, and what a later run makes of it."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import LeaseLost, OutcomeUnknown, persist
from consumers.effects import commit as effects
from consumers.effects.once import Claim
from consumers.event import Event
from relay.contract.connect import ResponseError
from tests.consumers.effecting import ReplyLost, effects_of, event_of, given_to_another
from tests.consumers.making import GROUP, KEYS, TAG, full, make_seen
from tests.consumers.settling import Scene
from tests.making import make_event

pytestmark = pytest.mark.redis

DAY_MS = 86_400_000


class Declined(Exception):
    """The bank refused, so nothing was charged."""


async def charge(event: Event, **options: Any) -> str:
    """Run a step; say what was known of it before."""
    async with event.once("charge", **options) as step:
        return step.state
    raise AssertionError


async def broken_off(event: Event, error: type[BaseException] = TimeoutError) -> None:
    """Begin a step and do not come to its end."""

    async def begin() -> None:
        async with event.once("charge", failed_on=(Declined,)) as step:
            assert step.needed
            raise error

    with pytest.raises(error):
        await begin()


def book(event: Event) -> str:
    """Give the key of an event's steps."""
    return KEYS.once(TAG, GROUP, event.identity)


async def test_a_step_that_is_done_is_skipped_with_its_result(scene: Scene) -> None:
    """Every later run of the event sees it, also one in another process."""
    async with event_of(scene).once("charge") as step:
        first = step.needed
        step.result = {"receipt": 7}
    async with event_of(scene).once("charge") as again:
        second = again.needed

    assert (first, second) == (True, False)
    assert (again.state, again.result) == ("done", {"receipt": 7})


async def test_steps_of_one_event_do_not_mix(scene: Scene) -> None:
    """Each name is a step of its own."""
    event = event_of(scene)
    await charge(event)
    async with event.once("mail") as step:
        pass

    assert step.state == "absent"


async def test_a_call_runs_once_and_gives_the_same_both_times(scene: Scene) -> None:
    """The short form cannot forget to ask whether it is needed."""
    runs: list[int] = []

    async def pay(amount: int, *, currency: str) -> str:
        runs.append(amount)
        return f"{amount} {currency}"

    replies = [
        await event_of(scene).once("charge").run(pay, 5, currency="EUR"),
        await event_of(scene).once("charge").run(pay, 5, currency="EUR"),
    ]

    assert replies == ["5 EUR", "5 EUR"]
    assert runs == [5]


async def test_a_result_has_the_same_form_in_every_run(scene: Scene) -> None:
    """A handler that is tested with its first run only must not break in the second."""
    replies = [await event_of(scene).once("pair").run(divmod, 7, 2) for _ in range(2)]

    assert replies == [[3, 1], [3, 1]]


async def test_a_plain_function_can_be_called_too(scene: Scene) -> None:
    """What it returns is kept."""
    replies = [await event_of(scene).once("count").run(len, "abc") for _ in range(2)]

    assert replies == [3, 3]


# --- unknown outcomes


async def test_a_step_that_did_not_end_runs_again_and_says_so(scene: Scene) -> None:
    """By default a duplicate is preferred to a loss."""
    await broken_off(event_of(scene))

    assert await charge(event_of(scene)) == "unknown"
    assert await charge(event_of(scene)) == "done"


async def test_a_step_that_was_cancelled_has_an_unknown_outcome(scene: Scene) -> None:
    """A handler over its time may have sent what it wanted to send."""
    await broken_off(event_of(scene), asyncio.CancelledError)

    assert await charge(event_of(scene)) == "unknown"


async def test_a_second_try_within_the_same_run_sees_the_first(scene: Scene) -> None:
    """It is not the first that is sent again."""
    event = event_of(scene)
    await broken_off(event)

    assert await charge(event) == "unknown"


async def test_a_second_call_of_the_same_step_sees_the_first(scene: Scene) -> None:
    """It is a try of its own."""
    once = event_of(scene).once("charge", if_unknown="raise")

    async def time_out() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await once.run(time_out)
    with pytest.raises(OutcomeUnknown):
        await once.run(time_out)


async def test_a_handler_can_forbid_that_an_unknown_step_runs_again(scene: Scene) -> None:
    """However often it is tried."""
    await broken_off(event_of(scene))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await charge(event_of(scene), if_unknown="raise")


async def test_an_operator_is_told_how_to_let_the_step_run_again(scene: Scene) -> None:
    """The error, which goes to the dead letter, ends with the command."""
    event = event_of(scene)
    await broken_off(event)
    with pytest.raises(OutcomeUnknown) as raised:
        await charge(event, if_unknown="raise")
    words = str(raised.value).split()[-3:]
    await scene.store.hdel(words[1], words[2])

    assert words == ["HDEL", book(event), "charge"]
    assert await charge(event_of(scene), if_unknown="raise") == "absent"


async def test_a_failure_that_is_certain_leaves_nothing_behind(scene: Scene) -> None:
    """The next run begins as if nothing had been."""
    event = event_of(scene)
    await broken_off(event, Declined)

    assert not await scene.store.exists(book(event))
    assert await charge(event_of(scene), if_unknown="raise") == "absent"


async def test_a_certain_failure_says_nothing_of_an_earlier_run(scene: Scene) -> None:
    """What was unknown before stays unknown."""
    await broken_off(event_of(scene))
    await broken_off(event_of(scene), Declined)

    assert await charge(event_of(scene)) == "unknown"


async def test_asking_in_vain_takes_nothing_from_a_run_that_goes_on(scene: Scene) -> None:
    """It still knows the step as its own, and can say that it failed for certain."""
    event = event_of(scene)

    async def charge_slowly() -> None:
        async with event.once("charge", failed_on=(Declined,)):
            with pytest.raises(OutcomeUnknown):
                await charge(event_of(scene), if_unknown="raise")
            raise Declined

    with pytest.raises(Declined):
        await charge_slowly()

    assert not await scene.store.exists(book(event))


# --- who may begin


async def test_nothing_begins_after_the_entry_was_taken_over(scene: Scene) -> None:
    """Another worker runs the handler now."""
    event = event_of(scene)
    await given_to_another(scene.store, scene.entry.entry_id)
    with pytest.raises(LeaseLost):
        await charge(event)

    assert not await scene.store.exists(book(event))


async def test_nothing_begins_where_the_group_is_gone(scene: Scene) -> None:
    """Then nobody holds the entry."""
    await scene.store.xgroup_destroy(scene.entry.stream.key, GROUP)
    with pytest.raises(LeaseLost):
        await charge(event_of(scene))


async def test_what_is_done_is_written_also_after_the_entry_was_taken_over(scene: Scene) -> None:
    """It is true whoever says it, and the other worker skips the step."""
    async with event_of(scene).once("charge") as step:
        await given_to_another(scene.store, scene.entry.entry_id)
        step.result = "ours"

    assert await charge(event_of(scene)) == "done"


async def test_the_first_result_stays(scene: Scene) -> None:
    """A second worker that did the step at the same time does not change what was told."""
    async with event_of(scene).once("charge") as step:
        step.result = "told second"
        async with event_of(scene).once("charge") as other:
            other.result = "told first"
    async with event_of(scene).once("charge") as again:
        pass

    assert again.result == "told first"


# --- lost replies, outages, a full server


@pytest.mark.parametrize("before", ["absent", "unknown"])
async def test_a_begin_whose_reply_was_lost_answers_the_same_again(
    scene: Scene, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not take itself for an earlier run, nor an earlier run for itself."""
    if before == "unknown":
        await broken_off(event_of(scene))
    monkeypatch.setattr(persist, "FIRST_PAUSE_SECONDS", 0.0)
    lossy = ReplyLost(effects._begin)
    monkeypatch.setattr(effects, "_begin", lossy)

    assert await charge(event_of(scene)) == before
    assert lossy.calls == 2


async def test_the_end_of_a_step_waits_for_the_store(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effect has happened: a lost reply must not make it unknown."""
    monkeypatch.setattr(persist, "FIRST_PAUSE_SECONDS", 0.0)
    lossy = ReplyLost(effects._end)
    monkeypatch.setattr(effects, "_end", lossy)
    with capture_logs() as logs:
        await charge(event_of(scene))

    assert [line["event"] for line in logs] == ["effect_waits_for_store"]
    assert lossy.calls == 2
    assert await charge(event_of(scene)) == "done"


async def test_steps_begin_and_end_on_a_full_server(scene: Scene) -> None:
    """Handlers go on, so that the backlog shrinks."""
    async with full(scene.store), asyncio.timeout(10):
        states = [await charge(event_of(scene)) for _ in range(2)]
        await broken_off_elsewhere(scene)

    assert states == ["absent", "done"]


async def broken_off_elsewhere(scene: Scene) -> None:
    """Begin another step, and have it fail for certain."""
    with pytest.raises(Declined):
        async with event_of(scene).once("mail", failed_on=(Declined,)):
            raise Declined


async def test_a_key_of_another_type_is_left_alone(scene: Scene) -> None:
    """The step is refused before anything is written."""
    event = event_of(scene)
    await scene.store.set(book(event), "x", ex=60)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await charge(event)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await effects_of(scene).end(Claim(event.identity, "charge", "t", 1000), "done", b"null")

    assert await scene.store.get(book(event)) == b"x"


async def test_a_stream_of_another_type_is_an_error(scene: Scene) -> None:
    """It must not look as if another worker had the entry."""
    await scene.store.delete(scene.entry.stream.key)
    await scene.store.set(scene.entry.stream.key, "x", ex=60)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await charge(event_of(scene))


# --- how long, and for which event


async def test_steps_are_remembered_for_a_week_after_the_last_look(scene: Scene) -> None:
    """A shorter time that is asked for later takes nothing away."""
    event = event_of(scene)
    await charge(event)
    for keep_seconds in (60, 30 * 86_400):
        await charge(event, keep_seconds=keep_seconds)
        left = await scene.store.pttl(book(event))
        wanted = max(7 * DAY_MS, 1000 * keep_seconds)

        assert wanted - 60_000 < left <= wanted


@pytest.mark.parametrize(
    "changes", [{"data": b"other"}, {"assurance": "none"}, {"source": "/webhooks/other"}]
)
def test_an_event_that_only_shares_the_id_has_steps_of_its_own(changes: dict[str, Any]) -> None:
    """An id can be guessed, and must not suppress what is owed to another event."""
    assert make_seen().identity != make_seen(**changes).identity


def test_the_identity_is_the_same_in_every_run() -> None:
    """Also for a copy under another entry id, and for a body of any size."""
    one, two = (Event(make_event(data=b""), entry_id=f"{n}-0", attempt=n) for n in (1, 2))

    assert one.identity == two.identity
    assert len(one.identity) == 32


# --- results, and what cannot be asked


@pytest.mark.parametrize("result", ["x" * 1023, object(), {"a": {1, object()}}])
async def test_a_result_that_cannot_be_kept_does_not_make_the_step_run_again(
    scene: Scene, result: object
) -> None:
    """The effect has happened: that is written down, and the handler hears of the rest."""
    with pytest.raises(ValueError, match="'charge' is done"):
        async with event_of(scene).once("charge") as step:
            step.result = result
    async with event_of(scene).once("charge") as again:
        pass

    assert (again.state, again.result) == ("done", None)


@pytest.mark.parametrize("result", [None, 0, "", "x" * 1022, [1, {"a": "\N{GRINNING FACE}"}]])
async def test_results_come_back_as_they_were(scene: Scene, result: object) -> None:
    """Up to 1 KiB of JSON."""
    async with event_of(scene).once("charge") as step:
        step.result = result
    async with event_of(scene).once("charge") as again:
        pass

    assert again.result == result


@pytest.mark.parametrize("name", ["", "x" * 201, "\ud83d", 5])
async def test_a_step_needs_a_name_that_can_be_written(scene: Scene, name: Any) -> None:
    """Said before anything runs."""
    with pytest.raises(ValueError):
        event_of(scene).once(name)


@pytest.mark.parametrize(
    "options",
    [
        {"if_unknown": "ask"},
        {"keep_seconds": 0},
        {"keep_seconds": float("nan")},
        {"failed_on": ValueError},
        {"failed_on": [ValueError]},
        {"failed_on": ("ValueError",)},
    ],
)
async def test_options_that_make_no_sense_are_refused(
    scene: Scene, options: dict[str, Any]
) -> None:
    """Said before anything runs."""
    with pytest.raises(ValueError):
        event_of(scene).once("charge", **options)


async def test_an_event_without_a_store_says_so() -> None:
    """As in a test of a handler."""
    with pytest.raises(RuntimeError, match="needs a store"):
        make_seen().once("charge")
    with pytest.raises(RuntimeError, match="needs a store"):
        make_seen().key("balance")


async def test_a_plain_handler_hears_that_it_must_be_a_coroutine(
    scene: Scene, store: Redis
) -> None:
    """Nobody would await what it got: the event would be done without its effect."""
    event = event_of(scene)
    for ask in (event.once, event.commit):
        with pytest.raises(RuntimeError, match="async def"):
            await asyncio.to_thread(ask, "return 1")
