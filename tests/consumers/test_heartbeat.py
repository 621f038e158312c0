"""A live process shows that it lives, and knows when a missing sign of others means nothing."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from structlog.testing import capture_logs
from structlog.typing import EventDict

from consumers import heartbeat as module
from consumers.heartbeat import Heartbeat
from relay.contract.connect import NoPermissionError
from tests.consumers.making import GROUP, KEYS, full
from tests.servers import Server, free_port
from tests.waiting import wait_until

KEY = KEYS.alive(GROUP, "us")


class Clock:
    """Monotonic seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread beat often; the times that matter are the clock's."""
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One element for each beat that was tried, false if it failed."""
    seen: list[bool] = []
    beat = Heartbeat._beat

    def counted(self: Heartbeat) -> None:
        try:
            beat(self)
        except Exception:
            seen.append(False)
            raise
        seen.append(True)

    monkeypatch.setattr(Heartbeat, "_beat", counted)
    return seen


async def more(beats: list[bool], count: int = 2, *, good: bool = True) -> None:
    """Wait for more beats, good ones or failed ones."""
    before = beats.count(good)
    await wait_until(lambda: beats.count(good) >= before + count, description="it beats on")


@pytest.fixture
async def started(server: Server, clock: Clock, beats: list[bool]) -> AsyncIterator[Heartbeat]:
    """A heartbeat whose first beats have reached the store."""
    heartbeat = Heartbeat(server.url, KEY, clock)
    heartbeat.start()
    await more(beats)
    yield heartbeat
    heartbeat.stop()


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is logged during the test."""
    with capture_logs() as lines:
        yield lines


def names(logs: list[EventDict]) -> list[str]:
    """Name the lines of a log."""
    return [line["event"] for line in logs]


# --- beating


@pytest.mark.redis
async def test_a_beat_is_a_key_that_ends_by_itself(started: Heartbeat, store: Redis) -> None:
    """Fifteen seconds after the last one the process counts as dead."""
    assert 14_000 < await store.pttl(KEY) <= 15_000
    assert started.beats()


@pytest.mark.redis
async def test_each_beat_prolongs_the_key(
    started: Heartbeat, store: Redis, beats: list[bool]
) -> None:
    """However little was left of it."""
    await store.pexpire(KEY, 5_000)
    await more(beats)

    assert await store.pttl(KEY) > 14_000


@pytest.mark.redis
async def test_a_lost_key_is_written_again(
    started: Heartbeat, store: Redis, beats: list[bool]
) -> None:
    """Somebody emptied the server, or it began anew without it."""
    await store.delete(KEY)
    await more(beats)

    assert await store.pttl(KEY) > 14_000


@pytest.mark.redis
async def test_a_full_server_takes_the_beats_of_a_running_process(
    started: Heartbeat, store: Redis, beats: list[bool]
) -> None:
    """Otherwise all workers would look dead to each other, and take over what is being handled."""
    async with full(store):
        await store.pexpire(KEY, 5_000)
        await more(beats)

        assert await store.pttl(KEY) > 14_000
    assert False not in beats


@pytest.mark.redis
async def test_a_full_server_takes_the_first_beat_of_a_new_process(
    store: Redis, server: Server, clock: Clock, beats: list[bool]
) -> None:
    """A worker that is started to work off the backlog must be able to begin."""
    heartbeat = Heartbeat(server.url, KEY, clock)
    async with full(store):
        heartbeat.start()
        await more(beats)
        heartbeat.wait_for_beat()

        assert await store.exists(KEY)
    heartbeat.stop()


@pytest.mark.redis
async def test_the_end_is_told_at_once(started: Heartbeat, store: Redis) -> None:
    """Others need not wait for the key to expire; stopping twice is no harm."""
    started.stop()
    started.stop()

    assert not await store.exists(KEY)


def test_a_heartbeat_that_never_began_can_be_stopped(clock: Clock) -> None:
    """Its store need not even be there."""
    heartbeat = Heartbeat(f"redis://127.0.0.1:{free_port()}/0", KEY, clock)
    heartbeat.stop()
    heartbeat.wait_for_beat()

    assert not heartbeat.beats()


# --- what a missing beat of others means


@pytest.mark.redis
@pytest.mark.parametrize(("seconds", "may"), [(0.0, False), (14.9, False), (15.0, True)])
async def test_nobody_is_declared_dead_before_the_store_has_answered_for_the_dead_time(
    started: Heartbeat,
    clock: Clock,
    seconds: float,
    may: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """By then every live process has beaten again."""
    clock.now += seconds
    started.tick()

    assert started.may_take_over() is may


def test_nobody_is_declared_dead_before_the_first_answer(clock: Clock) -> None:
    """Nothing is known of the others then."""
    heartbeat = Heartbeat(f"redis://127.0.0.1:{free_port()}/0", KEY, clock)
    clock.now += 1000

    assert not heartbeat.may_take_over()
    heartbeat.stop()


@pytest.mark.redis
async def test_an_outage_starts_the_dead_time_anew(
    start_server: Callable[..., Server],
    clock: Clock,
    beats: list[bool],
    logs: list[EventDict],
) -> None:
    """Heartbeats expire during an outage of which the owners live; it is said once."""
    server = start_server("valkey", "none")
    heartbeat = Heartbeat(server.url, KEY, clock)
    heartbeat.start()
    await more(beats)
    clock.now += 100
    heartbeat.tick()
    assert heartbeat.may_take_over()
    server.kill()
    await more(beats, 3, good=False)
    assert not heartbeat.may_take_over()
    assert not heartbeat.beats()
    server.start()
    await more(beats)
    assert not heartbeat.may_take_over()
    clock.now += 15
    heartbeat.tick()

    assert heartbeat.may_take_over()
    assert names(logs).count("heartbeat_missed") == 1
    heartbeat.stop()


@pytest.mark.redis
async def test_a_restart_between_two_beats_starts_the_dead_time_anew(
    start_server: Callable[..., Server],
    clock: Clock,
    beats: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No beat was missed, but the server's keys may be those of an hour ago."""
    server = start_server("valkey", "none")
    heartbeat = Heartbeat(server.url, KEY, clock)
    heartbeat.start()
    await more(beats)
    heartbeat._stopping.set()
    heartbeat._thread.join()
    clock.now += 100
    before = heartbeat.may_take_over()
    server.restart()
    heartbeat._beat()

    assert before
    assert not heartbeat.may_take_over()
    assert beats.count(False) == 0
    heartbeat.stop()


@pytest.mark.redis
@pytest.mark.parametrize("tells", [True, False])
async def test_another_server_in_the_place_of_this_one_starts_the_dead_time_anew(
    start_server: Callable[..., Server],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    tells: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """Its keys may be those of a while ago; a name, a proxy, sentinels may lead to it."""
    if not tells:
        monkeypatch.setattr(SyncRedis, "info", closed)
    first, second = start_server("valkey", "none"), start_server("valkey", "none")
    with second.client() as client:
        client.set(KEY, "1", px=60_000)  # as replication would have brought it there
    heartbeat = Heartbeat(first.url, KEY, clock)
    heartbeat._beat()
    clock.now += 100
    heartbeat.tick()
    heartbeat._beat()
    before = heartbeat.may_take_over()
    pool = heartbeat._redis.connection_pool
    pool.connection_kwargs["port"] = second.port
    pool.reset()
    heartbeat._beat()

    assert before
    assert not heartbeat.may_take_over()
    heartbeat.stop()


def closed(self: SyncRedis, section: str) -> None:
    """Be a server whose INFO is not permitted."""
    raise NoPermissionError("no permissions to run INFO")


@pytest.mark.redis
async def test_a_beat_that_is_refused_looks_for_the_server_anew(
    start_server: Callable[..., Server],
    clock: Clock,
    beats: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A replica answers every beat alike; the name may lead to the primary by now."""
    server = start_server("valkey", "none")
    connects: list[int] = []
    monkeypatch.setattr(Heartbeat, "_has_connected", lambda _: connects.append(1))
    heartbeat = Heartbeat(server.url, KEY, clock)
    heartbeat.start()
    await more(beats)
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
    before = len(connects)
    await more(beats, 3, good=False)
    heartbeat.stop()

    assert len(connects) >= before + 2


@pytest.mark.redis
async def test_a_server_that_tells_nothing_of_itself_is_taken_at_its_word(
    started: Heartbeat, clock: Clock, beats: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """INFO is closed on some managed servers; then only outages and new connections count."""
    monkeypatch.setattr(SyncRedis, "info", closed)
    clock.now += 15
    started.tick()
    await more(beats)

    assert started.may_take_over()


# --- what this process holds


@pytest.mark.redis
async def test_what_is_held_is_lost_when_no_beat_was_sent_for_the_dead_time(
    start_server: Callable[..., Server], clock: Clock, beats: list[bool]
) -> None:
    """The others go by the store, which cannot be heard meanwhile."""
    server = start_server("valkey", "none")
    heartbeat = Heartbeat(server.url, KEY, clock)
    heartbeat.start()
    await more(beats)
    held = heartbeat.lease()
    server.kill()
    await more(beats, good=False)
    clock.now += 14.9
    before = held.is_lost()
    clock.now += 0.1

    assert not before
    assert held.is_lost()
    heartbeat.stop()


@pytest.mark.redis
async def test_what_was_held_before_the_beat_lapsed_stays_lost(
    started: Heartbeat, store: Redis, beats: list[bool]
) -> None:
    """Others may have taken it over meanwhile; what is read from now on is held again."""
    held = started.lease()
    before = held.is_lost()
    await store.delete(KEY)
    await more(beats)

    assert not before
    assert held.is_lost()
    assert not started.lease().is_lost()


# --- the event loop


@pytest.mark.redis
async def test_a_stalled_event_loop_is_reported_once_and_again_after_it_recovered(
    started: Heartbeat, clock: Clock, beats: list[bool], logs: list[EventDict]
) -> None:
    """The beat goes on meanwhile: a handler that blocks the loop does not make its process dead."""
    clock.now += 4.9
    await more(beats)
    quiet = names(logs)
    clock.now += 0.2
    await more(beats, 3)
    reported = list(logs)
    started.tick()
    await more(beats)
    clock.now += 6
    await more(beats)

    assert quiet == []
    assert [(line["event"], line["seconds"]) for line in reported] == [("event_loop_stalled", 5.1)]
    assert names(logs) == ["event_loop_stalled"] * 2
    assert False not in beats


async def test_a_start_up_that_takes_minutes_is_no_stall(
    clock: Clock, beats: list[bool], logs: list[EventDict]
) -> None:
    """Nothing ticks before the first beat, and whoever asks meanwhile must not end the process."""
    heartbeat = Heartbeat(f"redis://127.0.0.1:{free_port()}/0", KEY, clock)
    clock.now += 301
    before = heartbeat.is_stalled
    heartbeat.start()
    await more(beats, 1, good=False)
    heartbeat.stop()

    assert not before
    assert "event_loop_stalled" not in names(logs)


@pytest.mark.redis
async def test_a_loop_that_stands_still_for_minutes_is_as_good_as_dead(
    started: Heartbeat, store: Redis, clock: Clock, beats: list[bool], logs: list[EventDict]
) -> None:
    """The beat stops, so that others take over; it goes on when the loop does."""
    clock.now += 301
    await wait_until(lambda: "event_loop_stalled" in names(logs), description="it is reported")
    await store.delete(KEY)
    count = len(beats)
    # The thread goes round without beating; had it beaten, the key would be there.
    rounds: list[int] = []
    lives = started._loop_lives

    def counted() -> bool:
        rounds.append(1)
        return lives()

    started._loop_lives = counted  # type: ignore[method-assign]
    await wait_until(lambda: len(rounds) >= 3, description="the thread goes round")
    dead = not await store.exists(KEY) and len(beats) == count
    started.tick()
    await more(beats)

    assert dead
    assert await store.exists(KEY)
