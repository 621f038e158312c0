"""From POST to handler: the sender past the gateway, the starts that are noted, the figures."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import hiredis
import pytest

from bench.arrival import starts
from bench.arrival.measure import astray_of, loads, marks
from bench.arrival.pairs import BARE, RELAY
from bench.arrival.starts import Starts
from bench.arrival.tables import BARS, CALM, FULL, THIRD, tables
from bench.connection import Answer, Connection, Sent
from bench.deliveries import Shape, write
from bench.entries import Entries, StoreConnection
from bench.lines import Line
from bench.openloop import Account
from relay.contract.entry import decode
from tests.bench.test_figures import HEADER
from tests.waiting import wait_until


def test_an_entry_is_what_the_gateway_would_write_of_the_delivery(tmp_path: Path) -> None:
    """The same id, the whole body, under the same names."""
    made = write(tmp_path / "file", Shape(), 2)
    reader = hiredis.Reader()
    reader.feed(Entries(made, "events").request(1))
    command, stream, place, *flat = reader.gets()
    event = decode(dict(zip(flat[::2], flat[1::2], strict=True)))

    assert (command, stream, place) == (b"XADD", b"events", b"*")
    assert event.id.encode() == made.event_id(1)
    assert (len(event.data), event.type) == (700, "message.new")


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"$15\r\n1790000000000-0\r\n"], 200),
        ([b"$15\r\n179000", b"0000000-0\r", b"\n"], 200),
        ([b"-OOM command not allowed\r\n"], 500),
    ],
)
def test_a_store_answers_with_an_id_or_an_error(pieces: list[bytes], status: int) -> None:
    """However the reply is cut; nothing is an answer before it is whole."""
    said: list[tuple[int, Answer]] = []

    def answered(_: Connection, sent: Sent, answer: Answer) -> None:
        said.append((sent.number, answer))

    connection = StoreConnection(answered, lambda _: None)
    connection.sent = Sent(7, 0.0, 0.0)
    for piece in pieces[:-1]:
        connection.data_received(piece)
    early = len(said)
    connection.data_received(pieces[-1])

    assert early == 0
    assert [(number, answer.status) for number, answer in said] == [(7, status)]


def test_each_delivery_has_its_time() -> None:
    """From when the first was meant, by the interval and not by a rate that was rounded."""
    names = [field.name for field in dataclasses.fields(Account)]
    given: dict[str, Any] = dict.fromkeys(names, 0)
    given |= {"wanted_per_second": 333.3, "begun": 100.0, "interval": 1 / 333.333}
    account = Account(**given)

    assert account.due(0) == 100.0
    assert account.due(333_333) == pytest.approx(1100.0, abs=1e-6)


async def test_starts_are_read_by_number_and_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those after some that were read before, and of one file of deliveries."""
    monkeypatch.setattr(starts, "_EVERY_SECONDS", 0.0)
    path = tmp_path / "starts"
    monkeypatch.setenv("BENCH_STARTS", str(path))
    noted, loop = Starts(), asyncio.get_running_loop()
    before = loop.time()
    ours, others = "evt_ffffffff00", "evt_ffffffff01"
    for event_id in (f"{ours}{7:016}", f"{ours}{8:016}", f"{others}{8:016}"):
        noted.note(event_id)
    await wait_until(lambda: starts.count(path) == 3, description="three are written")
    noted.note(f"{ours}{9:016}")
    await wait_until(lambda: starts.count(path) == 4, description="the fourth is written")
    found = starts.read(path, 1, f"{ours}{0:016}")

    assert [number for number, _ in found] == [8, 9]
    assert before <= found[0][1] <= found[1][1] <= loop.time()


@pytest.mark.parametrize(
    ("handled", "astray"), [([0, 1, 2], 0), ([0, 2], 1), ([0, 1, 2, 1], 1), ([0, 1, 1], 2), ([], 3)]
)
def test_lost_and_doubled_events_are_both_astray(handled: list[int], astray: int) -> None:
    """One does not make up for the other."""
    assert astray_of(3, handled) == astray


def test_marks_are_in_milliseconds() -> None:
    """Of seconds in any order."""
    took = [number / 1000 for number in range(1000, 0, -1)]

    assert marks(took) == {"p50_ms": 500.0, "p99_ms": 990.0, "p999_ms": 999.0}


def test_a_third_of_the_capacity_is_sent() -> None:
    """Beside a hundred a second."""
    assert [(load.name, load.per_second) for load in loads(6000)] == [(CALM, 100.0), (THIRD, 2000)]


def make_lines(ours: float, theirs: float) -> list[Line]:
    """Make the lines of a round, with these latencies."""
    common: Line = {"kind": "round", "others_cpu_percent": 0}
    made = [common | {"contender": RELAY, "load": FULL, "events_per_second": 6000}]
    for load in (CALM, THIRD):
        for name, ms in ((RELAY, ours), (BARE, theirs)):
            figures = dict.fromkeys(("p50_ms", "p99_ms", "p999_ms", "server_cpu_us"), ms)
            made.append(
                common
                | figures
                | {
                    "contender": f"{name}, {load}",
                    "load": load,
                    "late_p99_ms": 0.1,
                    "wanted_per_second": 2000.0,
                    "sent": 10,
                    "astray": 0,
                }
            )
    return made


@pytest.mark.parametrize(("ours", "holds"), [(3.0, True), (3.1, False)])
def test_three_times_the_bare_pair_is_the_bar(ours: float, holds: bool) -> None:  # noqa: FBT001 - a case
    """For the middle and for the slowest hundredth, at both rates."""
    lines = make_lines(ours, 1.0)

    assert [bar.holds(lines) for bar in BARS] == [holds] * 4


def test_tables_have_the_rates_and_no_row_for_the_look_at_the_capacity() -> None:
    """It is no latency."""
    made = tables(HEADER, make_lines(2.0, 1.0))
    text = "\n".join(table.markdown() for table in made)

    assert "| a third of it | 2,000/s |" in text
    assert [row[0] for row in made[2].rows] == [
        f"{name}, {load}" for load in (CALM, THIRD) for name in (RELAY, BARE)
    ]
