"""Lines that a handler logs itself say which event they are about."""

import asyncio

import pytest
import structlog

from consumers import Event
from consumers.calling.running import add_running_event
from consumers.handle import Runner
from relay.contract.logs import configure_logs
from tests.consumers.handling import run
from tests.consumers.making import fields_for, make_handler, make_seen


def about(**line: object) -> dict[str, object]:
    """Give what is added to a line."""
    return dict(add_running_event(None, "info", line))


@pytest.mark.parametrize("kind", ["async", "plain", "task"])
async def test_a_line_within_a_run_names_its_event(kind: str) -> None:
    """In a coroutine, in a thread, and in a task that the handler starts."""
    lines: list[dict[str, object]] = []

    def plain(event: Event) -> None:
        lines.append(about())

    async def asynchronous(event: Event) -> None:
        lines.append(about())

    async def task(event: Event) -> None:
        await asyncio.create_task(asynchronous(event))

    await run({"plain": plain, "async": asynchronous, "task": task}[kind])

    assert lines == [{"event_id": "evt_1", "event_type": "message.new", "attempt": 1}]
    assert about() == {}


async def test_a_line_keeps_what_it_says_itself() -> None:
    """What is outside of our hands is written out before a terminal sees it."""
    lines: list[dict[str, object]] = []

    async def handle(event: Event) -> None:
        lines.append(about(event_id="mine"))

    await Runner(make_handler(handle)).run(make_seen(account="a\x1b[2J"))

    assert lines == [
        {
            "event_id": "mine",
            "event_type": "message.new",
            "attempt": 1,
            "account": "a\\x1b[2J",
        }
    ]


async def test_a_line_does_not_fail_for_a_part_that_cannot_be_read() -> None:
    """The handler has not asked for it, and its line says the rest."""
    lines: list[dict[str, object]] = []

    async def handle(event: Event) -> None:
        lines.append(about())

    fields = fields_for() | {b"account": b"\xff"}
    await Runner(make_handler(handle)).run(Event(fields, entry_id="1-0", attempt=1))

    assert lines == [{"event_id": "evt_1", "event_type": "message.new", "attempt": 1}]


async def test_a_handlers_logger_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Through the configuration that the worker's command makes."""
    before = structlog.get_config()
    configure_logs("json", also=[add_running_event])
    try:

        async def handle(event: Event) -> None:
            structlog.get_logger("theirs").info("stored", rows=2)

        await run(handle)
    finally:
        structlog.configure(**before)

    said = capsys.readouterr().err
    assert '"event_id": "evt_1"' in said
    assert '"rows": 2' in said
