"""The gateway watches its streams' bytes, closes those that are full, and drops where it may."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from relay import caps as caps_module
from relay.append import Appender, Dropped, Limits
from relay.caps import StreamCaps
from relay.caps.report import CapReport
from relay.caps.sizes import LONGEST_SECONDS, SHORTEST_SECONDS, Size
from relay.contract.caps import Cap, Caps
from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.contract.stream import Stream
from relay.metrics import Metrics
from tests.making import make_identified
from tests.relay.appending import Bench, Heard
from tests.servers import Server
from tests.waiting import wait_until

KEYS = Keys()
STREAM = KEYS.stream("unipile", "message.new")
KIB = 1024


class Watched:
    """A store, its caps, and an appender that keeps to them."""

    def __init__(self, client: Redis, caps: dict[str, Cap]) -> None:
        self.metrics = Metrics()
        self.report = CapReport(KEYS, self.metrics)
        self.caps = StreamCaps(client, KEYS, tags=["unipile"], caps=Caps(caps), report=self.report)
        heard = Heard()
        appender = Appender(client, KEYS, observer=heard, limits=Limits(streams=self.caps))
        self.bench = Bench(client, appender, heard)

    async def fill(self, first: int, last: int, event_type: str = "message.new") -> list[str]:
        """Append events of a kibibyte, and say what came of each."""
        results = await self.bench.append(
            *(
                make_identified(f"evt_{number}", event_type, data=b"x" * KIB)
                for number in range(first, last)
            )
        )
        return [type(result).__name__ for result in results]

    def counted(self, name: str) -> float:
        """Give what was counted."""
        return sum(count for known, _, count in self.metrics.tally().counters if known == name)


MakeWatched = Callable[..., Watched]


@pytest.fixture
async def watched(server: Server) -> AsyncIterator[MakeWatched]:
    """Makes a gateway's caps over an empty store."""
    made: list[Watched] = []
    client = connect(server.url, role="test", connections=10)

    def make(**by_type: Cap) -> Watched:
        made.append(Watched(client, {f"unipile:{name}.*": cap for name, cap in by_type.items()}))
        return made[-1]

    yield make
    for one in made:
        await one.bench.appender.stop()
    await client.aclose()


@pytest.mark.redis
async def test_a_stream_at_its_cap_in_bytes_is_closed_and_opens_again(watched: MakeWatched) -> None:
    """Known events are known all along, other streams go on, each change is a line."""
    gateway = watched(message=Cap(max_bytes=100 * KIB))
    await gateway.fill(0, 200)
    with capture_logs() as logs:
        await gateway.caps.look()
        closed = await gateway.fill(199, 201), await gateway.fill(0, 1, "email.new")
        await gateway.bench.client.xtrim(STREAM, maxlen=10, approximate=False)
        await gateway.caps.look()
    opened = await gateway.fill(200, 201)

    assert closed == (["Duplicate", "StreamFull"], ["Duplicate"])
    assert opened == ["Appended"]
    assert logs == [
        {"event": "stream_full", "log_level": "warning", "stream": STREAM, "bound": "bytes"},
        {"event": "stream_has_room", "log_level": "warning", "stream": STREAM},
    ]


@pytest.mark.redis
async def test_another_stream_goes_on(watched: MakeWatched) -> None:
    """Only the type that is full gets 503."""
    gateway = watched(message=Cap(max_bytes=100 * KIB))
    await gateway.fill(0, 200)
    await gateway.caps.look()

    assert await gateway.fill(300, 301) == ["StreamFull"]
    assert await gateway.fill(301, 302, "email.new") == ["Appended"]


@pytest.mark.redis
async def test_the_oldest_are_dropped_by_bytes_and_counted(watched: MakeWatched) -> None:
    """To a little below the cap; new events are taken all along."""
    gateway = watched(message=Cap(max_bytes=100 * KIB, on_full="drop_oldest"))
    await gateway.fill(0, 200)
    with capture_logs() as logs:
        await gateway.caps.look()
    left = await gateway.bench.events()
    size = await gateway.bench.client.memory_usage(STREAM) or 0

    assert 80 * KIB < size <= 100 * KIB
    assert list(left.values())[-1].id == "evt_199"
    assert gateway.counted("relay_dropped_entries") == 200 - len(left)
    assert gateway.counted("relay_dropped_unsettled_entries") == 0
    assert [(one["event"], one["entries"]) for one in logs] == [
        ("entries_dropped", 200 - len(left))
    ]
    assert await gateway.fill(200, 201) == ["Appended"]


@pytest.mark.redis
async def test_a_stream_is_not_emptied_for_what_its_groups_have_pending(
    watched: MakeWatched,
) -> None:
    """That counts as the stream's bytes, and dropping entries does not make it less."""
    gateway = watched(message=Cap(max_bytes=30 * KIB, on_full="drop_oldest"))
    client = gateway.bench.client
    await gateway.bench.append(*(make_identified(f"evt_{n}", data=b"") for n in range(1000)))
    await client.xgroup_create(STREAM, "crm", id="0")
    await client.xreadgroup("crm", "us", {STREAM: ">"}, count=1000)
    await client.xtrim(STREAM, maxlen=20, approximate=False)
    size = await client.memory_usage(STREAM) or 0
    await gateway.caps.look()

    assert size > 30 * KIB
    assert await client.xlen(STREAM) == 20


@pytest.mark.redis
async def test_nothing_is_asked_while_the_whole_store_is_small(watched: MakeWatched) -> None:
    """No stream can be at a cap that all of them together do not reach."""
    gateway = watched(message=Cap(max_bytes=10**12))
    client = gateway.bench.client
    await client.config_set("maxmemory", 10**12)
    await gateway.fill(0, 1)
    await client.config_resetstat()
    await gateway.caps.look()
    asked = set(await client.info("commandstats"))
    await client.config_set("maxmemory", 0)

    assert {name for name in asked if "memory" in name or "hkeys" in name} == set()


@pytest.mark.redis
async def test_a_quarter_of_the_store_is_the_default(watched: MakeWatched) -> None:
    """Without any configuration one type cannot stop all the others."""
    gateway = watched()
    client = gateway.bench.client
    await gateway.fill(0, 100)
    size = await client.memory_usage(STREAM) or 0
    taken: list[list[str]] = []
    # The store itself uses more than that, so the test asks for what it would be told.
    for store_bytes in (int(4.4 * size), int(3.6 * size)):
        await gateway.caps._list(0.0)
        await gateway.caps._look_at_streams(store_bytes, 0.0, 0.0)
        taken.append(await gateway.fill(100 + len(taken), 101 + len(taken)))

    assert taken == [["Appended"], ["StreamFull"]]


@pytest.mark.redis
async def test_what_stands_in_a_streams_place_stops_no_watching(watched: MakeWatched) -> None:
    """Neither in that of a stream nor in that of the books; said once."""
    gateway = watched(
        message=Cap(max_bytes=KIB, on_full="drop_oldest"), email=Cap(max_bytes=10 * KIB)
    )
    await gateway.fill(0, 50, "email.new")
    await gateway.bench.client.hset(KEYS.streams("unipile"), "message.new", "9 0-1")
    await gateway.bench.client.set(STREAM, "x" * 2 * KIB, px=60_000)
    with capture_logs() as logs:
        await gateway.caps.look()
        await gateway.caps.look()

    assert await gateway.fill(50, 51, "email.new") == ["StreamFull"]
    assert [one["event"] for one in logs] == ["caps_unwatched", "stream_full"] or [
        one["event"] for one in logs
    ] == ["stream_full", "caps_unwatched"]


async def test_a_store_that_is_away_closes_nothing() -> None:
    """Another may come back in its place."""

    class Away:
        async def info(self, section: str) -> dict[str, Any]:
            raise RedisConnectionError

    report = CapReport(KEYS, Metrics())
    away = cast("Redis", Away())
    found = StreamCaps(away, KEYS, tags=["unipile"], caps=Caps(), report=report)
    found._close({Stream("unipile", "message.new", STREAM)})
    before = found.of("unipile", "message.new")

    with pytest.raises(RedisConnectionError):
        await found.watch()

    assert before == "full 0"
    assert found.of("unipile", "message.new") == ""
    assert not found.is_needed


@pytest.mark.redis
async def test_it_watches_by_itself(watched: MakeWatched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed and open again without anybody's doing but the trimming."""
    monkeypatch.setattr(caps_module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(caps_module, "RELIST_SECONDS", 0.05)
    gateway = watched(message=Cap(max_bytes=100 * KIB))
    watching = asyncio.create_task(gateway.caps.watch())
    await gateway.fill(0, 200)
    await wait_until(lambda: gateway.caps.closed == 1, description="the stream is closed")
    await gateway.bench.client.xtrim(STREAM, maxlen=10, approximate=False)
    await wait_until(lambda: gateway.caps.closed == 0, description="it is open")
    watching.cancel()
    await asyncio.wait({watching})

    assert await gateway.fill(200, 201) == ["Appended"]


def test_a_stream_is_looked_at_before_it_can_be_full() -> None:
    """As the store as a whole grows, or it alone did; one at its cap always."""
    size = Size()
    size.learn(0, 1.0)
    size.learn(500, 2.0)

    assert size.seconds_left(1500, 0.0) == pytest.approx(0.5)
    assert size.seconds_left(1500, 1000.0) == pytest.approx(0.25)
    assert size.seconds_left(501, 1e9) == SHORTEST_SECONDS
    assert size.seconds_left(500, 0.0) == 0.0
    size.learn(400, 3.0)
    assert size.seconds_left(1500, 0.0) == LONGEST_SECONDS


async def test_a_stream_is_said_to_be_full_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused events are counted by their answers; what was dropped is summed up."""
    now = 100.0
    monkeypatch.setattr("relay.caps.report._now", lambda: now)
    report = CapReport(KEYS, Metrics())
    with capture_logs() as logs:
        for second in (100.0, 101.0, 159.0, 160.0):
            now = second
            report.refused("unipile", "message.new")
            report.dropped("unipile", Dropped("email.new", 10, 1))

    assert [one for one in logs if one["event"] == "stream_full"] == [
        {"event": "stream_full", "log_level": "warning", "stream": STREAM, "bound": "entries"}
    ] * 2
    assert [(one["entries"], one["unsettled"]) for one in logs if "entries" in one] == [
        (10, 1),
        (30, 3),
    ]
