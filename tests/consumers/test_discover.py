"""The streams that handlers are for are found, and the group is joined on each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from consumers.worker import Start
from relay.announce import Announcer
from relay.contract.connect import text_of
from relay.contract.control import tell_of_again
from relay.contract.duties import Duties
from relay.hold import Holder
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    consumers_of,
    full,
    make_handler,
    make_stream,
    read_as,
    us,
)
from tests.consumers.reading import Reading
from tests.consumers.waiting_long import make_again
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


def scene_for(
    server: Server, store: Redis, pattern: str = "unipile:*", start: Start = "first"
) -> Reading:
    """Make the parts of a worker with one handler."""
    return Reading(server.url, store, make_handler(pattern=pattern), start=start)


@asynccontextmanager
async def discovering(scene: Reading) -> AsyncIterator[list[str]]:
    """Have discovery run within the block; gives what woke the reader."""
    woken: list[str] = []
    scene.discovery.on_new = lambda: woken.append("woken")
    duties = Duties()
    duties.start("discover", scene.discovery.run)
    try:
        yield woken
    finally:
        await duties.stop()
        await scene.news.aclose()


async def away(*_: object, **__: object) -> None:
    """Find a server away."""
    raise RedisConnectionError


async def group_is_at(store: Redis, event_type: str = TYPE) -> str | None:
    """Say behind which entry the group reads on, none where there is no group."""
    for group in await store.xinfo_groups(make_stream(event_type).key):
        if text_of(group["name"]) == GROUP:
            return text_of(group["last-delivered-id"])
    return None


async def unread(store: Redis, event_type: str = TYPE) -> list[str]:
    """Have somebody read everything that the group has yet to read."""
    return await read_as(store, "somebody", make_stream(event_type))


# --- which streams


async def test_streams_that_a_handler_is_for_are_joined(server: Server, store: Redis) -> None:
    """The group is made on them and on no others."""
    for event_type, tag in [("message.new", TAG), ("email.new", TAG), ("message.new", "github")]:
        await append_events(store, [f"evt_{event_type}"], event_type, tag)
    scene = scene_for(server, store, "unipile:message.*")
    await scene.discovery.look()

    assert list(scene.routes.streams) == [make_stream("message.new").key]
    assert await group_is_at(store, "email.new") is None


async def test_a_worker_is_a_consumer_of_what_it_joins_before_it_is_given_anything(
    server: Server, store: Redis
) -> None:
    """Else nobody could see that it lives where it has nothing to read, or may not."""
    await append_events(store, ["evt_1"])
    scene = scene_for(server, store)
    async with full(store):
        await scene.discovery.look()

    assert await consumers_of(store) == {us(store).name}


async def test_all_partitions_of_an_endpoint_are_joined(server: Server, store: Redis) -> None:
    """They are found by their tags, and also known to the trimmer."""
    for number in range(3):
        await append_events(store, ["evt_1"], tag=f"unipile#{number}")
    scene = scene_for(server, store)
    await scene.discovery.look()

    assert {stream.tag for stream, _ in scene.routes.streams.values()} == {
        "unipile#0",
        "unipile#1",
        "unipile#2",
    }
    assert scene.discovery.tags == {"unipile#0", "unipile#1", "unipile#2"}


async def test_looking_again_finds_nothing_new(server: Server, store: Redis) -> None:
    """The reader is not woken for nothing."""
    await append_events(store, ["evt_1"])
    scene = scene_for(server, store)
    woken: list[str] = []
    scene.discovery.on_new = lambda: woken.append("woken")
    await scene.discovery.look()
    await scene.discovery.look()

    assert woken == ["woken"]


async def test_a_registered_type_without_a_stream_is_passed_over(
    server: Server, store: Redis
) -> None:
    """A worker makes no stream; it joins when the first entry has made it."""
    await append_events(store, ["evt_1"])
    await store.delete(make_stream().key)
    scene = scene_for(server, store)
    await scene.discovery.look()
    before = dict(scene.routes.streams)
    await append_events(store, ["evt_2"])
    await scene.discovery.look()

    assert before == {}
    assert list(scene.routes.streams) == [make_stream().key]


# --- what the group is given again


async def test_what_a_group_is_given_again_is_read_like_its_type(
    server: Server, store: Redis
) -> None:
    """By the same handler, and also where the group has yet to be made."""
    await append_events(store, ["evt_1"], "a")
    await append_events(store, ["evt_2"], "b")
    for stream in (make_again("a"), make_again("b"), make_again("a", group="billing")):
        await store.xadd(stream.key, {"id": "evt_0"})
    scene = scene_for(server, store, "unipile:a")
    await scene.discovery.look()

    assert list(scene.routes.streams) == [make_stream("a").key, make_again("a").key]
    (own, theirs) = scene.routes.streams.values()
    assert own[1] is theirs[1]
    assert await read_as(store, "somebody", make_again("a"))


async def test_what_is_given_again_is_read_from_its_first_entry(
    server: Server, store: Redis
) -> None:
    """Whatever the group's start is: it was meant for this group."""
    await append_events(store, ["evt_1"])
    await store.xadd(make_again().key, {"id": "evt_0"})
    await scene_for(server, store, start="now").discovery.look()

    assert len(await read_as(store, "somebody", make_again())) == 1


async def test_what_is_given_again_is_found_where_its_types_stream_is_gone(
    server: Server, store: Redis
) -> None:
    """It waited longer than the stream was kept."""
    await append_events(store, ["evt_1"])
    await store.delete(make_stream().key)
    await store.xadd(make_again().key, {"id": "evt_0"})
    scene = scene_for(server, store)
    await scene.discovery.look()

    assert list(scene.routes.streams) == [make_again().key]


@pytest.fixture
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next look come after the test."""
    monkeypatch.setattr("consumers.discover.POLL_SECONDS", 60)


@pytest.mark.usefixtures("rare_looks")
async def test_news_of_what_is_given_again_ends_the_wait(server: Server, store: Redis) -> None:
    """Long before the next look."""
    await append_events(store, ["evt_1"])
    scene = scene_for(server, store)
    async with discovering(scene):
        await wait_until(lambda: scene.news._busy, description="it waits for news")
        await store.xadd(make_again().key, {"id": "evt_0"})
        await tell_of_again(store, KEYS, make_again(), GROUP)
        await wait_until(
            lambda: make_again().key in scene.routes.streams, description="it is joined"
        )


async def test_the_end_of_what_is_given_again_is_no_news(server: Server, store: Redis) -> None:
    """It ends whenever nothing is left of it; a type's stream that is gone is said."""
    await append_events(store, ["evt_1"])
    await store.xadd(make_again().key, {"id": "evt_0"})
    scene = scene_for(server, store)
    await scene.discovery.look()
    streams = [stream for stream, _ in scene.routes.streams.values()]
    await store.delete(*(stream.key for stream in streams))
    with capture_logs() as logs:
        await scene.discovery.restore_groups(streams)
        await scene.discovery.look()

    assert scene.routes.streams == {}
    assert [(line["event"], line["stream"]) for line in logs] == [
        ("stream_gone", make_stream().key)
    ]


# --- what the books have lost


@pytest.mark.parametrize("loss", ["one type", "all types", "all types and tags"])
async def test_a_lost_registration_is_written_again(
    server: Server, store: Redis, loss: str
) -> None:
    """By a worker that reads the stream, so that one that starts later finds it."""
    await append_events(store, ["evt_1"], "a")
    await append_events(store, ["evt_2"], "b")
    scene = scene_for(server, store)
    await scene.discovery.look()
    before = await store.hgetall(KEYS.streams(TAG))
    if loss == "one type":
        await store.hdel(KEYS.streams(TAG), "a")
    else:
        for key in (KEYS.streams(TAG), *([KEYS.tags] if "tags" in loss else [])):
            await store.delete(key)
    with capture_logs() as logs:
        await scene.discovery.look()
        await scene.discovery.look()
    later = scene_for(server, store)
    await later.discovery.look()
    after = await store.hgetall(KEYS.streams(TAG))

    assert later.routes.streams.keys() == scene.routes.streams.keys()
    assert {name: value.split()[1] for name, value in after.items()} == {
        name: value.split()[1] for name, value in before.items()
    }
    assert len({value.split()[0] for value in after.values()}) == 2
    assert [line["event"] for line in logs] == {
        "one type": ["registration_restored"],
        "all types": ["registration_restored"] * 2,
        "all types and tags": ["registration_restored"] * 2 + ["tag_restored"],
    }[loss]


async def test_a_full_server_takes_a_registration(server: Server, store: Redis) -> None:
    """A worker that comes to help would find nothing to do."""
    await append_events(store, ["evt_1"])
    scene = scene_for(server, store)
    await scene.discovery.look()
    await store.hdel(KEYS.streams(TAG), TYPE)
    async with full(store):
        await scene.discovery.look()

    assert await store.hexists(KEYS.streams(TAG), TYPE)


async def test_what_is_gone_is_not_registered_again(server: Server, store: Redis) -> None:
    """The server was emptied, and the reader has not noticed yet."""
    await append_events(store, ["evt_1"])
    scene = scene_for(server, store)
    await scene.discovery.look()
    await store.flushall()
    with capture_logs() as logs:
        await scene.discovery.look()

    assert await store.keys() == []
    assert logs == []


# --- where a group begins


async def test_a_group_begins_with_the_first_event_that_is_stored(
    server: Server, store: Redis
) -> None:
    """What came before the first worker must be handled as well."""
    entry_ids = await append_events(store, ["evt_1", "evt_2"])
    await scene_for(server, store).discovery.look()

    assert await unread(store) == entry_ids


async def test_a_group_that_exists_stays_where_it_is(server: Server, store: Redis) -> None:
    """The start is for the first creation only."""
    await append_events(store, ["evt_1"])
    (read,) = await read_as(store, "somebody")
    await append_events(store, ["evt_2"])
    await scene_for(server, store, start="now").discovery.look()

    assert await group_is_at(store) == read


async def test_from_now_on_means_without_what_is_stored(server: Server, store: Redis) -> None:
    """Only events that come later are handled."""
    await append_events(store, ["evt_before"])
    await scene_for(server, store, start="now").discovery.look()
    after = await append_events(store, ["evt_after"])

    assert await unread(store) == after


async def test_from_now_on_includes_the_first_events_of_a_stream_that_begins_later(
    server: Server, store: Redis
) -> None:
    """The stream is found only after its first events, and they came after the start."""
    await append_events(store, ["evt_before"], "before")
    scene = scene_for(server, store, start="now")
    await scene.discovery.look()
    later = await append_events(store, ["evt_1", "evt_2"], "later")
    await scene.discovery.look()

    assert await unread(store, "before") == []
    assert await unread(store, "later") == later


async def test_a_group_can_begin_at_a_time(server: Server, store: Redis) -> None:
    """An event stored at that very millisecond is included."""
    stream = make_stream()
    await append_events(store, ["evt_1"])
    await store.delete(stream.key)
    for entry_id in ("1000-0", "1999-5", "2000-0", "2000-1", "3000-0"):
        await store.xadd(stream.key, {"id": entry_id}, id=entry_id)
    at = datetime.fromtimestamp(2, UTC)
    await scene_for(server, store, start=at).discovery.look()

    assert await unread(store) == ["2000-0", "2000-1", "3000-0"]


async def test_a_group_can_begin_at_the_epoch(server: Server, store: Redis) -> None:
    """There is no time before it to count back to."""
    entry_ids = await append_events(store, ["evt_1"])
    await scene_for(server, store, start=datetime.fromtimestamp(0, UTC)).discovery.look()

    assert await unread(store) == entry_ids


# --- news


@pytest.mark.usefixtures("rare_looks")
async def test_a_new_stream_is_joined_as_soon_as_it_is_announced(
    server: Server, store: Redis
) -> None:
    """The message on the control stream ends the wait, long before the next look."""
    scene = scene_for(server, store)
    announcer = Announcer(store, KEYS, [TAG], Holder(store, KEYS, {}))
    async with discovering(scene) as woken:
        await wait_until(lambda: scene.news._busy, description="it waits for news")
        await append_events(store, ["evt_1"])
        announcer.registered(TAG, TYPE)
        await announcer.refresh()
        await wait_until(lambda: bool(woken), description="it is joined")

    assert list(scene.routes.streams) == [make_stream().key]


@pytest.mark.usefixtures("rare_looks")
async def test_news_for_others_only_cost_a_look(server: Server, store: Redis) -> None:
    """What gateways are asked and answer, and news of a kind that is not known yet."""
    scene = scene_for(server, store)
    looks: list[str] = []
    scene.discovery.on_looked = lambda: looks.append("looked")
    async with discovering(scene):
        for what in ("reload", "reload-answer", "not known yet"):
            before = len(looks)
            await wait_until(lambda: scene.news._busy, description="it waits for news")
            await store.xadd(KEYS.control, {"what": what, "request": "a"})
            await wait_until(lambda before=before: len(looks) > before, description="it looked")  # type: ignore[misc]
        await append_events(store, ["evt_1"])
        await Announcer(store, KEYS, [TAG], Holder(store, KEYS, {})).announce_tags()
        await store.xadd(KEYS.control, {"what": "stream"})
        await wait_until(lambda: bool(scene.routes.streams), description="it goes on")

    assert list(scene.routes.streams) == [make_stream().key]


async def test_a_lost_announcement_only_costs_time(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks every now and then besides."""
    monkeypatch.setattr("consumers.discover.POLL_SECONDS", 0.05)
    scene = scene_for(server, store)
    async with discovering(scene):
        await wait_until(lambda: scene.news._busy, description="it waits for news")
        await append_events(store, ["evt_1"])
        await wait_until(lambda: bool(scene.routes.streams), description="it is joined")


@pytest.mark.usefixtures("rare_looks")
async def test_an_announcement_during_a_look_is_not_missed(server: Server, store: Redis) -> None:
    """What comes after the beginning of a look has the next one follow at once."""
    scene = scene_for(server, store)
    announcer = Announcer(store, KEYS, [TAG], Holder(store, KEYS, {}))
    look = scene.discovery.look
    looks: list[int] = []

    async def look_and_miss() -> None:
        await look()
        looks.append(len(looks))
        if len(looks) == 1:
            await append_events(store, ["evt_1"])
            announcer.registered(TAG, TYPE)
            await announcer.refresh()

    scene.discovery.look = look_and_miss  # type: ignore[method-assign]
    async with discovering(scene) as woken:
        await wait_until(lambda: bool(woken), description="it is joined")

    assert len(looks) >= 2


@pytest.mark.usefixtures("rare_looks")
async def test_discovery_survives_the_loss_of_its_connection(server: Server, store: Redis) -> None:
    """It is started again, and looks before it waits."""
    scene = scene_for(server, store)
    async with discovering(scene) as woken:
        await wait_until(lambda: scene.news._busy, description="it waits for news")
        await append_events(store, ["evt_1"])
        await store.client_kill_filter(_id=str(scene.news._client_id))
        await wait_until(lambda: bool(woken), description="it is joined")


# --- groups that are gone


async def test_a_lost_group_is_made_again_from_the_first_event_on(
    server: Server, store: Redis
) -> None:
    """Wherever it began the first time: nobody knows how far it had come."""
    entry_ids = await append_events(store, ["evt_1", "evt_2"])
    scene = scene_for(server, store, start="now")
    await scene.discovery.look()
    await store.xgroup_destroy(make_stream().key, GROUP)
    await scene.discovery.restore_groups([make_stream()])

    assert await unread(store) == entry_ids
    assert list(scene.routes.streams) == [make_stream().key]


async def test_restoring_leaves_other_groups_as_they_are(server: Server, store: Redis) -> None:
    """One culprit costs the others nothing."""
    await append_events(store, ["evt_1"], "a")
    await append_events(store, ["evt_2"], "b")
    scene = scene_for(server, store)
    await scene.discovery.look()
    read = await read_as(store, "somebody", make_stream("a"))
    await store.xgroup_destroy(make_stream("b").key, GROUP)
    await scene.discovery.restore_groups([stream for stream, _ in scene.routes.streams.values()])

    assert await group_is_at(store, "a") == read[0]
    assert await group_is_at(store, "b") == "0-0"


async def test_two_workers_may_join_at_the_same_time(server: Server, store: Redis) -> None:
    """One of them makes the group, and both read."""
    await append_events(store, ["evt_1"])
    scenes = [scene_for(server, store) for _ in range(2)]
    await asyncio.gather(*(scene.discovery.look() for scene in scenes))

    assert [list(scene.routes.streams) for scene in scenes] == [[make_stream().key]] * 2


@pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True)
async def test_streams_are_found_while_the_server_of_the_news_is_away(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tags, pauses and streams lie on others; what is new is looked for all the same."""
    await append_events(store, ["evt_1"])
    await store.sadd(KEYS.tags, TAG)
    monkeypatch.setattr(store, "xrevrange", away)
    scene = scene_for(server, store)
    async with discovering(scene) as woken:
        await wait_until(lambda: bool(woken), description="the stream is found")

    assert list(scene.routes.streams) == [make_stream().key]


@pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True)
async def test_what_handlers_name_is_found_while_the_server_of_the_tags_is_away(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is found when it is back; until then it is tried again soon, and nothing claimed."""
    await append_events(store, ["evt_1"])
    scenes = scene_for(server, store), scene_for(server, store, "*:*")
    looked: list[str] = []
    for scene in scenes:
        scene.discovery.on_looked = lambda: looked.append("looked")
    with monkeypatch.context() as patched:
        patched.setattr(store, "smembers", away)
        for scene in scenes:
            with pytest.raises(RedisConnectionError):
                await scene.discovery.look()
        while_away = [list(scene.routes.streams) for scene in scenes]
        said, named_tags = list(looked), [set(scene.discovery.tags) for scene in scenes]
    for scene in scenes:
        await scene.discovery.look()

    assert while_away == [[make_stream().key], []]
    assert said == []
    assert named_tags == [{TAG}, set()]
    assert [list(scene.routes.streams) for scene in scenes] == [[make_stream().key]] * 2


@pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True)
async def test_what_was_found_before_the_server_of_the_tags_went_away_is_looked_into(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new type of an endpoint on another server is read."""
    await append_events(store, ["evt_1"])
    await store.sadd(KEYS.tags, TAG)
    scene = scene_for(server, store, "*:*")
    await scene.discovery.look()
    await append_events(store, ["evt_2"], "another")
    monkeypatch.setattr(store, "smembers", away)
    woken: list[str] = []
    scene.discovery.on_new = lambda: woken.append("woken")
    with pytest.raises(RedisConnectionError):
        await scene.discovery.look()

    assert set(scene.routes.streams) == {make_stream().key, make_stream("another").key}
    assert woken == ["woken"]
