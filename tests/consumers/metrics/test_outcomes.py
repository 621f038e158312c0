"""Every outcome has its count and its line, and no line has what may be secret."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from consumers.entry import History
from consumers.event import Event
from consumers.handle import Runner
from consumers.outcome import GiveUp, RetryLater
from consumers.pipeline import process
from consumers.retry import Retry
from consumers.waiting.later import LATER_SECONDS
from relay.contract import logs
from tests.canaries import IN_MESSAGE
from tests.consumers.making import (
    GROUP,
    TYPE,
    dead_letters,
    fields_for,
    make_entry,
    make_handler,
    make_room,
)
from tests.consumers.metrics.counting import samples
from tests.consumers.settling import Scene

pytestmark = pytest.mark.redis

OF_EVENT = {"stream", "entry_id", "event_id", "event_type", "account"}


async def succeed(event: Event) -> None:
    """Do nothing."""


async def fail(event: Event) -> None:
    """Fail."""
    raise ValueError(IN_MESSAGE)


async def give_up(event: Event) -> None:
    """See no sense in another attempt."""
    raise GiveUp(IN_MESSAGE)


async def postpone(event: Event) -> None:
    """Ask for another time."""
    raise RetryLater(after=1, message=IN_MESSAGE)


async def postpone_long(event: Event) -> None:
    """Ask for another day."""
    raise RetryLater(after=LATER_SECONDS + 1, message=IN_MESSAGE)


async def handled(scene: Scene, function: Callable[..., Any], **options: Any) -> list[EventDict]:
    """Take the scene's entry through the pipeline; give the log."""
    options = dict(options)
    event = {"account": "acc_1"} | options.pop("event", {})
    fields = options.pop("fields", None) or fields_for("evt_1", **event)
    history = options.pop("history", None)
    scene.room = make_room(make_handler(function, **options))
    entry = make_entry(scene.entry.entry_id, fields=fields, history=history)
    with capture_logs() as lines:
        await process(entry, scene.room, Runner(scene.room.handler), scene.settler)
        await scene.settler.flush()
    return lines


def counted(scene: Scene) -> dict[str, float]:
    """Give the counters that have moved."""
    found = samples(scene.room.record.tally(GROUP)) | samples(scene.settler.us.record.tally(GROUP))
    return {name.partition("{")[0]: n for name, n in found.items() if "_total" in name}


@pytest.mark.parametrize(
    ("function", "options", "moved"),
    [
        (succeed, {}, {"handled_total"}),
        (fail, {}, {"failed_attempts_total", "retried_total"}),
        (fail, {"retry": Retry(attempts=1)}, {"failed_attempts_total", "dead_lettered_total"}),
        (
            fail,
            {"retry": Retry(base_seconds=9e9, cap_seconds=LATER_SECONDS + 9, jitter=0)},
            {"failed_attempts_total", "retried_total"},
        ),
        (give_up, {}, {"failed_attempts_total", "dead_lettered_total"}),
        (postpone, {}, {"postponed_total"}),
        (postpone_long, {}, {"postponed_total"}),
        (succeed, {"event": {"assurance": "none"}}, {"skipped_total"}),
        (succeed, {"fields": {b"id": b"evt_1"}}, {"dead_lettered_total"}),
    ],
    ids=[
        "done",
        "failed",
        "spent",
        "later",
        "gave-up",
        "postponed",
        "long",
        "skipped",
        "unreadable",
    ],
)
async def test_each_outcome_moves_its_counters(
    scene: Scene, function: Callable[..., Any], options: dict[str, Any], moved: set[str]
) -> None:
    """By one, and no other."""
    await handled(scene, function, **options)

    assert counted(scene) == dict.fromkeys(moved, 1.0)


async def ask_for_headers(event: Event) -> None:
    """Read a part that an event need not have."""
    assert event.headers


@pytest.mark.parametrize(
    ("before", "part", "attempts"),
    [
        (0, {b"headers": b"[]"}, 1),
        (2, {b"headers": b"[]"}, 3),
        (0, {b"receivedat": b"x"}, 0),
        (2, {b"receivedat": b"x"}, 2),
    ],
    ids=["asked-for", "asked-for-again", "whole", "whole-again"],
)
async def test_a_letter_counts_the_run_that_asked_for_what_cannot_be_read(
    scene: Scene, before: int, part: dict[bytes, bytes], attempts: int
) -> None:
    """The handler ran until there; of an entry that it is not given there is no run."""
    options = {"fields": fields_for() | part, "history": History(before)}
    await handled(scene, ask_for_headers, **options)
    (letter,) = await dead_letters(scene.store)

    assert letter[b"reason"] == b"unreadable"
    assert letter[b"attempts"] == b"%d" % attempts


async def test_only_the_first_run_says_how_long_events_wait(scene: Scene) -> None:
    """A retry is late by its nature."""
    found = []
    for history in (History(), History(attempts=1)):
        await handled(scene, succeed, history=history)
        shown = samples(scene.room.record.tally(GROUP))
        found.append({name.partition("{")[0] for name in shown if "_seconds_count" in name})

    assert found == [{"run_seconds_count", "age_seconds_count"}, {"run_seconds_count"}]


async def test_an_outcome_that_comes_late_is_counted_as_that_only(scene: Scene) -> None:
    """The one who has the event now counts what becomes of it."""
    await scene.store.xclaim(
        scene.entry.stream.key, GROUP, "other", min_idle_time=0, message_ids=[scene.entry.entry_id]
    )
    (failed, late) = await handled(scene, fail)

    assert counted(scene) == {"failed_attempts_total": 1.0, "late_outcomes_total": 1.0}
    assert (failed["event"], late["event"]) == ("attempt_failed", "outcome_late")
    assert set(late) - {"event", "log_level"} == documented("outcome_late")


def documented(event: str) -> set[str]:
    """Give the fields that the reference names for a log event."""
    page = (Path(__file__).parents[3] / "docs/reference/logs.md").read_text("utf-8")
    (row,) = (row for row in page.splitlines() if row.startswith(f"| `{event}` |"))
    fields = row.split("|")[3]
    return set(re.findall(r"`(\w+)`", fields)) | (OF_EVENT if "an event's" in fields else set())


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (succeed, {}, "event_handled"),
        (fail, {}, "attempt_failed"),
        (postpone, {}, "attempt_postponed"),
        (give_up, {}, "event_dead_lettered"),
        (succeed, {"event": {"assurance": "none"}}, "event_skipped"),
    ],
    ids=["handled", "failed", "postponed", "dead", "skipped"],
)
async def test_each_outcome_has_one_line_that_says_whose_it_is(
    scene: Scene,
    function: Callable[..., Any],
    options: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the fields that the reference names, and nothing of what the event holds."""
    monkeypatch.setattr(logs, "debugging", True)
    (line,) = await handled(scene, function, **options)

    assert line["event"] == said
    assert set(line) - {"event", "log_level"} == documented(said)
    assert (line["event_id"], line["event_type"], line["account"]) == ("evt_1", TYPE, "acc_1")
    assert (line["handler"], line["group"]) == (function.__name__, GROUP)


async def test_a_failure_says_where_it_was_raised(scene: Scene) -> None:
    """The frames lead to the handler; its message may quote a payload."""
    (line,) = await handled(scene, fail)

    assert line["frames"][-1].startswith(inspect.getfile(fail))
    assert line["frames"][-1].endswith(" fail")
    assert line["error"] == "ValueError"


async def test_a_handled_event_is_said_only_where_that_is_wanted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for each would cost more than handling it."""
    quiet = await handled(scene, succeed)
    monkeypatch.setattr(logs, "debugging", True)
    (line,) = await handled(scene, succeed)

    assert quiet == []
    assert (line["event"], line["log_level"]) == ("event_handled", "debug")


async def test_what_a_sender_named_is_made_printable(scene: Scene) -> None:
    """A terminal must not act upon it."""
    (line,) = await handled(scene, fail, event={"account": "\x1b[31m"})

    assert line["account"] == "\\x1b[31m"
