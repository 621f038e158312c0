"""The senders count what servers do to them, each delivery once."""

import asyncio

import pytest

from bench.connection import Answer, Sent, parse
from bench.holds.numbered import number_of
from bench.holds.sender.closed import ClosedLoop
from bench.holds.sender.opened import OpenLoop, Pool, Stretch, times_of
from bench.holds.sender.tally import Tally, answered_within
from tests.bench.toys import (
    BUSY,
    BUSY_WITHOUT_WORD,
    LAST,
    STORED,
    Behave,
    always,
    read_request,
    toy_server,
)
from tests.servers import free_port
from tests.waiting import wait_until

PLAN = [Stretch(rate=1000, seconds=0.04)]
FEW = Pool(kept=4, most=8, answer_seconds=5)


async def send(port: int, pool: Pool = FEW) -> Tally:
    """Send forty deliveries at their times."""
    async with asyncio.timeout(30):
        return await OpenLoop(port, PLAN, pool, first=7).run()


async def _vanish(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def _keep_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await read_request(reader):
        pass


@pytest.mark.parametrize(
    ("behave", "outcome", "unpromised"),
    [
        (always(STORED), "200", 0),
        (always(LAST), "200", 0),
        (always(BUSY), "503", 0),
        (always(BUSY_WITHOUT_WORD), "503", 40),
        (_vanish, "reset", 0),
    ],
)
async def test_each_delivery_has_the_outcome_that_the_server_gave_it(
    behave: Behave, outcome: str, unpromised: int
) -> None:
    """Forty are due, and forty have it."""
    async with toy_server(behave) as port:
        tally = await send(port)

        assert tally.due == 40
        assert tally.counts() == {outcome: 40}
        assert tally.unpromised == unpromised
        assert sum(tally.accepted) == (40 if outcome == "200" else 0)


async def test_what_is_never_answered_is_a_timeout() -> None:
    """The deliveries that found no connection meanwhile are counted too."""
    async with toy_server(_keep_silent) as port:
        # Between two looks of the sender: at one of them, all forty have waited for longer.
        tally = await send(port, Pool(kept=4, most=8, answer_seconds=2.75))

        assert tally.counts() == {"timeout": 8, "unconnected": 32}


async def test_where_nobody_listens_each_delivery_is_refused() -> None:
    """The connections that should have been kept are counted apart."""
    tally = await send(free_port())

    assert tally.counts() == {"refused": 40}
    assert tally.unopened["refused"] >= FEW.kept


async def test_a_sender_that_is_stopped_brings_to_its_end_what_is_under_way() -> None:
    """However long its plan is."""
    told: list[int] = []
    async with toy_server(always(STORED)) as port:
        loop = OpenLoop(port, [Stretch(rate=1000, seconds=1000)], FEW, progress=told.append)
        running = asyncio.create_task(loop.run())
        await wait_until(lambda: max(told, default=0) > 0, description="some are answered")
        loop.stop()
        tally = await asyncio.wait_for(running, 30)

    assert 0 < tally.due == tally.stored


async def test_a_connection_that_is_announced_to_end_is_opened_again() -> None:
    """A server that ends every connection costs no delivery."""
    async with toy_server(always(LAST)) as port:
        tally = await send(port)

        assert tally.announced == 40
        assert tally.counts() == {"200": 40}


async def test_every_second_delivery_can_go_on_a_connection_of_its_own() -> None:
    """So a server sees new connections beside those that are kept."""
    opened = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await always(STORED)(reader, writer)

    async with toy_server(count) as port:
        tally = await send(port, Pool(kept=4, most=40, fresh_every=2))

        assert tally.counts() == {"200": 40}
        assert opened >= 24


async def test_a_connection_closed_while_idle_costs_no_delivery() -> None:
    """It is counted, and opened again."""

    async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if seen:
            await always(STORED)(reader, writer)
        seen.append(1)

    seen: list[int] = []
    async with toy_server(close_at_once) as port:
        # One that is closed before the first delivery is due.
        plan = [Stretch(rate=0.001, seconds=0.3), Stretch(rate=100, seconds=0.1)]
        async with asyncio.timeout(30):
            tally = await OpenLoop(port, plan, Pool(kept=1, most=4)).run()

        assert tally.counts() == {"200": 10}
        assert tally.idle_closed == 1


@pytest.mark.parametrize("answer", [STORED, LAST])
async def test_a_closed_loop_sends_each_number_once(answer: bytes) -> None:
    """Also where every connection ends after one answer."""
    numbers: list[int] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while body := await read_request(reader):
            numbers.append(number_of(body[7:37]))
            writer.write(answer)
            if answer is LAST:
                return

    async with toy_server(note) as port, asyncio.timeout(30):
        tally = await ClosedLoop(port, first=3, events=50, connections=8).run()

        assert sorted(numbers) == list(range(3, 53))
        assert tally.counts() == {"200": 50}
        assert bytes(tally.accepted[:53]) == bytes(3) + b"\1" * 50


async def test_a_closed_loop_tells_resets_from_answers() -> None:
    """One delivery of each connection is lost when the server goes."""
    async with toy_server(_vanish) as port, asyncio.timeout(30):
        tally = await ClosedLoop(port, events=20, connections=4).run()

        assert tally.counts() == {"reset": 20}


def test_an_answer_is_read_only_when_it_is_whole() -> None:
    """Whatever the case of the header names."""
    answer = b'HTTP/1.1 200 OK\r\ncontent-length: 17\r\nCONNECTION: close\r\n\r\n{"received":true}'
    whole = parse(answer)

    assert all(parse(answer[:end]) is None for end in range(len(answer)))
    assert whole is not None
    assert whole.status == 200
    assert whole.closes
    assert not whole.retry_after
    assert parse(b"HTTP/1.1 204 No Content\r\n\r\n") is not None


def test_a_plan_fixes_every_time() -> None:
    """One stretch after the other, each at its rate."""
    assert list(times_of([Stretch(2, 2), Stretch(1, 2)])) == [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]


def test_what_was_sent_and_answered_within_a_time_is_counted() -> None:
    """What was sent before or answered after is left out, whenever it was due."""
    tally = Tally(started=100.0)
    times = [(101.95, 102.5, 200), (102.3, 104.0, 503), (102.5, 104.5, 503), (104.0, 106.1, 200)]
    for number, (at, answered, status) in enumerate(times):
        tally.answered(
            Sent(number, 101.0, at), Answer(status, closes=False, retry_after=True), answered
        )

    assert answered_within(tally, 102.0, 105.0) == {"503": 2}
    assert answered_within(tally, 102.35, 105.0) == {"503": 1}
