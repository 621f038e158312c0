"""The index benchmark sends what it says, and counts what the stores say."""

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.holds.index import __main__ as index
from bench.holds.index.designs import GROUPS, designs, parts
from bench.holds.index.findings import MANY_IDS, Cost, cost, worst
from bench.holds.index.gauge import Gauge
from bench.holds.index.pattern import BATCH_EVENTS, Pattern
from bench.holds.index.scenario import Design, Sample, Scenario
from bench.holds.index.sides import STREAM, Plain, Relay, Side
from bench.holds.index.verdicts import judge_few, report
from bench.holds.record import Record
from bench.lines import of_kind, read
from bench.store import client
from tests.servers import Server, wait_until_sync


def _samples(seconds: int, relay: int, plain: int, ids: int = 20_000) -> list[Sample]:
    """Make one sample a second, with 2,000 events in each."""
    return [
        Sample(
            seconds=float(second),
            slice_number=second // 5,
            sent=2000 * second,
            remembered=ids,
            relay_bytes=relay * ids,
            plain_bytes=plain * ids,
            relay_ns=second * 2000 * 15_000,
            plain_ns=second * 2000 * 10_000,
        )
        for second in range(seconds)
    ]


def test_a_pattern_gives_every_event_its_time() -> None:
    """The burst comes on top, and only while it lasts."""
    pattern = Pattern(rate=10, burst_at=4, burst_seconds=2, burst_times=100)

    assert [pattern.due(second) for second in (0, 1, 4, 5, 6, 7)] == [0, 10, 40, 1040, 2040, 2050]
    assert Pattern(0.25).due(8) == 2


@pytest.mark.parametrize(
    ("rate", "seconds", "sent", "batch"),
    [
        (10_000, 1.0, 0, BATCH_EVENTS),
        (10_000, 1.0, 9_968, 32),
        (10_000, 1.0, 9_969, 0),
        (100, 1.0, 90, 10),
        (100, 1.0, 91, 0),
        (0.25, 4.0, 0, 1),
        (0.25, 3.9, 0, 0),
    ],
)
def test_a_batch_is_sent_when_it_is_full_or_would_not_be_soon(
    rate: float, seconds: float, sent: int, batch: int
) -> None:
    """At most 32, at low rates what a tenth of a second brings."""
    assert Pattern(rate).batch(seconds, sent) == batch


def test_the_worst_moment_is_found_among_those_that_count() -> None:
    """Too few ids at a moment do not count."""
    few, many = _samples(5, 500, 100, ids=50), _samples(16, 60, 196)
    found = worst([*few, *many], least_ids=MANY_IDS)

    assert found is not None
    assert (found.samples, found.relay, found.plain, found.ratio) == (16, 60.0, 196.0, 0.306)
    assert found.rollovers == 3
    assert worst(few, least_ids=MANY_IDS) is None


def test_cpu_is_of_the_events_between_first_and_last_sample() -> None:
    """And untold where too few came."""
    assert cost(_samples(11, 1, 1)) == Cost(events=20_000, relay_us=15.0, plain_us=10.0)
    assert cost(_samples(11, 1, 1)[:1]) is None
    assert cost(_samples(1, 1, 1) * 2) is None
    assert cost([replace(one, sent=one.sent // 4) for one in _samples(11, 1, 1)]) is None


@pytest.mark.parametrize("group", GROUPS)
def test_every_design_has_three_rollovers_at_steady_state(group: str) -> None:
    """And its parts hold each second of it once."""
    for design in designs(group):
        slice_seconds = design.window_seconds / 2
        assert (slice_seconds * 1000).is_integer()
        seconds = range(int(design.seconds))
        samples = [Sample(float(at), int(at // slice_seconds), 0, 1, 0, 0, 0, 0) for at in seconds]
        found = parts(design, samples)

        assert sorted(one.seconds for part in found for one in part.samples) == [
            *map(float, seconds)
        ]
        assert all(part.samples for part in found), group
        steady = [part for part in found if part.name == "steady"]
        assert bool(steady) == (group != "burst")
        for part in steady:
            assert part.samples[-1].slice_number - part.samples[0].slice_number >= 3


@pytest.mark.parametrize(
    ("relay", "few", "code"), [(60, 60, 0), (65, 60, 1), (60, 197, 1)], ids=["good", "dear", "few"]
)
def test_bytes_per_id_are_judged(relay: int, few: int, code: int, tmp_path: Path) -> None:
    """64 from ten thousand on; below, no more than plain keys."""
    record = Record("index", tmp_path)
    design = Design("100000", 10, 35, Pattern(2000))
    samples = [*_samples(35, relay, 196)]
    report(record, design, samples)
    judge_few(record, [samples, _samples(35, few, 196, ids=5000)])

    assert record.exit_code() == code
    assert len(of_kind(read(record.path)[1], "part")) == 2


@pytest.fixture(params=[Relay, Plain], ids=["relay", "plain"])
def side(request: pytest.FixtureRequest, server: Server) -> Iterator[Side]:
    """One way to remember, before a real store."""
    with closing(client(server.port)) as redis:
        yield request.param(redis, 60)


@pytest.mark.redis
def test_a_side_appends_new_ids_and_remembers_them(side: Side) -> None:
    """Each once, under the keys that it names."""
    side.append(range(5))
    assert side.redis.xlen(STREAM) == 5
    assert side.redis.keys(side.marks())
    keys, arguments = side.call([3])
    answer = side.redis.eval(side.text, len(keys), *keys, *arguments)[0]

    assert side.redis.xlen(STREAM) == 5
    assert not (isinstance(side, Relay) and side.is_stored(answer))


@pytest.mark.redis
def test_a_gauge_sees_the_index_and_nothing_else(own_server: Server) -> None:
    """Not the stream, which it empties; not what was there before; not its own looking."""
    with closing(client(own_server.port)) as redis:
        Plain(redis, 1).append([0])
        side = Plain(redis, 600)
        gauge = Gauge(side, own_server.pid)
        gauge.settle()
        before = gauge.read()
        for first in range(1, 2001, 100):
            side.append(range(first, first + 100))
        # The store counts the buffers of its connections now and then only.
        wait_until_sync(
            lambda: 2000 * 100 < gauge.read().index_bytes < 2000 * 300,
            description="the index is seen",
        )
        after = gauge.read()

        assert abs(before.index_bytes) < 20_000
        assert redis.xlen(STREAM) == 0
        assert after.cpu_ns > before.cpu_ns


@pytest.mark.redis
def test_a_scenario_sends_the_same_events_to_both_sides(server: Server) -> None:
    """And counts them in its samples."""
    with closing(client(server.port)) as redis:
        sides = [Relay(redis, 60), Plain(redis, 60)]
        for side in sides:
            side.append([0])
        gauges = [Gauge(side, server.pid) for side in sides]
        scenario = Scenario(Design("x", 60, 0.5, Pattern(400), 0.1), sides, gauges)
        scenario.start()
        while not scenario.is_over or len(scenario.samples) < 3:
            scenario.step()
        last = scenario.samples[-1]

        assert 0 < last.sent <= scenario.design.pattern.due(scenario.seconds)
        assert last.remembered == last.sent
        assert [one.sent for one in scenario.samples] == sorted(
            one.sent for one in scenario.samples
        )
        assert len(redis.keys("seen:*")) >= last.sent


def test_a_burst_begins_with_a_slice() -> None:
    """So that it lies within one."""
    design = designs("burst", 10)[0]
    scenario = Scenario(design, [], [])
    scenario.start()
    burst_at = scenario.design.pattern.burst_at

    assert burst_at is not None
    assert design.pattern.burst_at is not None
    assert design.pattern.burst_at <= burst_at
    into_slice = (scenario.started + burst_at) % (design.window_seconds / 2)
    assert min(into_slice, design.window_seconds / 2 - into_slice) < 0.01


def test_a_sender_that_does_not_keep_up_is_late() -> None:
    """By a quarter of a window; until then it may still make up for it."""
    scenario = Scenario(Design("x", 40, 100, Pattern(100)), [], [])
    late = []
    for seconds in (5, 11):
        scenario.started = time.time() - seconds
        late.append(scenario.is_late)

    assert late == [False, True]


class Slow(Scenario):
    """One whose sender keeps up in windows of eight seconds only."""

    def settle(self) -> None:
        """Have nothing to forget."""

    @property
    def is_over(self) -> bool:
        """End with the second sample."""
        return len(self.samples) == 2

    @property
    def is_late(self) -> bool:
        """Keep up in long windows only."""
        return self.design.window_seconds < 8

    def step(self) -> Sample:
        """Give a sample that tells its window."""
        made = replace(_samples(1, 60, 196)[0], seconds=self.design.window_seconds)
        self.samples.append(made)
        return made


def test_scenarios_are_run_again_in_longer_windows_until_the_sender_keeps_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured before is not judged."""

    @contextmanager
    def prepared(design: Design, directory: Path, aof: str) -> Iterator[Scenario]:
        yield Slow(design, [], [])

    monkeypatch.setattr(index, "prepared", prepared)
    record = Record("index", tmp_path)
    index.measure(record, Namespace(only=["10000"], shorter=20.0, aof="off"), tmp_path)
    lines = read(record.path)[1]
    cold = of_kind(lines, "part", part="cold")

    assert [line["window_seconds"] for line in of_kind(lines, "scenario")] == [2, 4, 8]
    assert len(of_kind(lines, "again")) == 2
    assert [line["bytes_per_id"]["samples"] for line in cold] == [2]


def test_one_that_never_keeps_up_is_judged_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So few ids as came then are no verdict in its favour."""

    @contextmanager
    def prepared(design: Design, directory: Path, aof: str) -> Iterator[Scenario]:
        yield Never(design, [], [])

    class Never(Slow):
        is_late = True

        def step(self) -> Sample:
            return replace(super().step(), remembered=0)

    monkeypatch.setattr(index, "prepared", prepared)
    record = Record("index", tmp_path)
    index.measure(record, Namespace(only=["10000"], shorter=20.0, aof="off"), tmp_path)
    verdicts = {line["claim"]: line["holds"] for line in of_kind(read(record.path)[1], "verdict")}

    assert not verdicts["bytes per id, 10,000 ids per window, steady"]
    assert record.exit_code() == 1
