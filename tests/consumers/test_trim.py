"""Trimming removes what every holding group has settled, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.trim import DEAD_LETTER_SECONDS, Trimmer, after, order
from relay.contract.duties import Duties
from relay.contract.patterns import parse_pattern
from relay.contract.paused import Pause
from relay.contract.script import Script
from relay.hold import Holder
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    full,
    make_entry,
    make_stream,
    now_ms,
    us,
)
from tests.consumers.waiting_long import (
    given_again,
    make_again,
    make_due,
    put_off_for_days,
    returns_for,
    waiting_long,
)
from tests.waiting import wait_until

STREAM = make_stream()
DAY_MS = 86_400_000
RETENTION_SECONDS = 7 * 86_400
# The server removes whole nodes of its tree only, of a hundred entries each.
NODE = 100


def trimmer_for(
    store: Redis,
    *,
    tags: tuple[str, ...] = (TAG,),
    retention_seconds: int = RETENTION_SECONDS,
    may_take_over: bool = True,
    pauses: tuple[Pause, ...] = (),
) -> Trimmer:
    """Make a trimmer with the default retention of seven days."""
    return Trimmer(
        us(store),
        retention_seconds=retention_seconds,
        tags=lambda: tags,
        may_take_over=lambda: may_take_over,
        pauses=lambda: pauses,
    )


async def stored(
    store: Redis, count: int = 3 * NODE, *, age_ms: int = 0, event_type: str = TYPE
) -> list[str]:
    """Store entries of an age, all in one millisecond, and give their ids."""
    await store.hset(KEYS.streams(TAG), event_type, "1 0-1")
    at_ms = await now_ms(store) - age_ms
    entry_ids = [f"{at_ms}-{number}" for number in range(count)]
    pipeline = store.pipeline(transaction=False)
    for entry_id in entry_ids:
        pipeline.xadd(KEYS.stream(TAG, event_type), {"n": entry_id}, id=entry_id)
    await pipeline.execute()
    return entry_ids


async def read(
    store: Redis, count: int, *, group: str = GROUP, acked: bool = True, consumer: str = "worker"
) -> list[str]:
    """Have a group, made if need be, read entries and settle them."""
    if group.encode() not in [found["name"] for found in await store.xinfo_groups(STREAM.key)]:
        await store.xgroup_create(STREAM.key, group, id="0")
    reply: Any = await store.xreadgroup(group, consumer, {STREAM.key: ">"}, count=count)
    entry_ids: list[str] = [entry_id.decode() for entry_id, _ in reply[0][1]]
    if acked:
        await store.xack(STREAM.key, group, *entry_ids)
    return entry_ids


async def left(store: Redis, event_type: str = TYPE) -> list[str]:
    """Give the ids of the entries that are still there."""
    found = await store.xrange(KEYS.stream(TAG, event_type))
    return [entry_id.decode() for entry_id, _ in found]  # type: ignore[union-attr]


async def memory_becomes_short(store: Redis) -> None:
    """Let the server use little more than it does."""
    used = int((await store.info("memory"))["used_memory"])
    await store.config_set("maxmemory", int(1.2 * used))


# --- comparing entry ids


@given(
    st.tuples(st.integers(0, 2**48), st.integers(0, 2**32)),
    st.tuples(st.integers(0, 2**48), st.integers(0, 2**32)),
)
def test_entry_ids_are_compared_as_numbers(one: tuple[int, int], other: tuple[int, int]) -> None:
    """As texts, 9-0 would come after 10-0."""
    ids = ["-".join(map(str, each)) for each in (one, other)]

    assert (order(ids[0]) < order(ids[1])) is (one < other)
    assert order(after(ids[0])) == (one[0], one[1] + 1)


def test_the_id_behind_is_one_that_the_server_takes() -> None:
    """A number of 65 bits is refused, and with it all that is done for the tag."""
    last = 2**64 - 1

    assert after(f"5-{last}") == "6-0"
    assert after(f"{last}-{last}") == f"{last}-{last}"


# --- what is never removed


@pytest.mark.redis
@pytest.mark.parametrize("short", [False, True], ids=["enough memory", "short of memory"])
async def test_what_is_unread_is_never_removed(store: Redis, *, short: bool) -> None:
    """However old it is."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, NODE)
    await trimmer_for(store).trim(short=short)

    assert await left(store) == entry_ids[NODE:]


@pytest.mark.redis
@pytest.mark.parametrize("short", [False, True], ids=["enough memory", "short of memory"])
@pytest.mark.parametrize("owner", ["worker", "@park"])
async def test_what_is_pending_or_parked_is_never_removed(
    store: Redis, owner: str, *, short: bool
) -> None:
    """One entry that waits for days holds all that come after it, and none that came before."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, NODE)
    waiting = await read(store, 1, acked=False, consumer=owner)
    await read(store, 2 * NODE)
    await trimmer_for(store).trim(short=short)

    assert waiting == [entry_ids[NODE]]
    assert await left(store) == entry_ids[NODE:]


@pytest.mark.redis
async def test_the_slowest_of_the_groups_decides(store: Redis) -> None:
    """What one has settled the other has yet to read."""
    entry_ids = await stored(store)
    await read(store, 3 * NODE)
    await read(store, NODE, group="slow")
    await trimmer_for(store).trim(short=True)

    assert await left(store) == entry_ids[NODE:]


@pytest.mark.redis
async def test_a_group_that_begins_at_a_time_does_not_hinder_trimming(store: Redis) -> None:
    """It has read nothing yet, and stands behind the last number of the time before."""
    await stored(store, event_type="quiet")
    begins_at = f"{await now_ms(store)}-{2**64 - 1}"
    await store.xgroup_create(KEYS.stream(TAG, "quiet"), GROUP, id=begins_at)
    entry_ids = await stored(store, event_type="unquiet")
    unquiet = KEYS.stream(TAG, "unquiet")
    await store.xgroup_create(unquiet, GROUP, id=entry_ids[-1])
    await trimmer_for(store).trim(short=True)

    assert len(await left(store, "unquiet")) < len(entry_ids)


@pytest.mark.redis
async def test_a_group_that_has_not_begun_holds_everything(store: Redis) -> None:
    """Its first worker is on its way."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, 3 * NODE)
    await store.xgroup_create(STREAM.key, "new", id="0")
    await trimmer_for(store).trim(short=True)

    assert await left(store) == entry_ids


@pytest.mark.redis
async def test_a_configured_group_holds_while_it_is_silent(store: Redis) -> None:
    """However long; the same group, listed no longer, has been silent for too long."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, 1, group="audit")
    await store.xgroup_delconsumer(STREAM.key, "audit", "worker")
    await Holder(store, KEYS, {"audit": [parse_pattern("unipile:message.*")]}).confirm(TAG)
    await read(store, 3 * NODE)
    await trimmer_for(store).trim(short=True)
    held = await left(store)
    await store.delete(KEYS.groups(TAG))
    await trimmer_for(store).trim(short=True)

    assert held == entry_ids
    assert await left(store) == []


@pytest.mark.redis
async def test_a_configured_group_holds_before_it_is_made(store: Redis) -> None:
    """The gateway was killed before it made it on a new stream, or somebody destroyed it."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, 3 * NODE)
    await Holder(store, KEYS, {"audit": [parse_pattern("*:*")]}).confirm(TAG)
    await trimmer_for(store).trim(short=True)

    assert await left(store) == entry_ids


@pytest.mark.redis
async def test_a_configured_group_holds_only_what_it_is_meant_for(store: Redis) -> None:
    """One that is listed for other streams is not waited for on this one."""
    await stored(store, age_ms=30 * DAY_MS)
    await read(store, 3 * NODE)
    await Holder(store, KEYS, {"audit": [parse_pattern("unipile:email.*")]}).confirm(TAG)
    await trimmer_for(store).trim(short=True)

    assert await left(store) == []


@pytest.mark.redis
async def test_a_busy_worker_holds_what_it_has_not_read(store: Redis) -> None:
    """One whose room is full reads nothing, for longer than the retention time.

    It lives, or the store was away and nobody can tell.
    """
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, NODE, consumer="busy")
    await store.set(KEYS.alive(GROUP, "busy"), "1", ex=60)
    trimmer = trimmer_for(store, retention_seconds=0)
    await trimmer.trim(short=False)
    alive = await left(store)
    await store.delete(KEYS.alive(GROUP, "busy"))
    await trimmer_for(store, retention_seconds=0, may_take_over=False).trim(short=False)
    unsure = await left(store)
    await trimmer.trim(short=False)

    assert alive == unsure == entry_ids[NODE:]
    assert await left(store) == []


@pytest.mark.redis
async def test_a_paused_group_holds_however_long_it_is_silent(store: Redis) -> None:
    """On the streams that are paused; one that was never made there holds nothing."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, NODE, consumer="gone")
    pattern = parse_pattern(f"{TAG}:{TYPE}")
    pauses = tuple(Pause(group=group, pattern=pattern) for group in (GROUP, "nobody"))
    await trimmer_for(store, retention_seconds=0, pauses=pauses).trim(short=True)
    paused = await left(store)
    elsewhere = (Pause(group=GROUP, pattern=parse_pattern("*:email.*")),)
    await trimmer_for(store, retention_seconds=0, pauses=elsewhere).trim(short=True)

    assert paused == entry_ids[NODE:]
    assert await left(store) == []


@pytest.mark.redis
async def test_an_active_consumer_makes_its_group_hold(store: Redis) -> None:
    """A service of another program, which nobody configured here."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, 1, group="analytics")
    await read(store, 3 * NODE)
    await trimmer_for(store).trim(short=True)

    assert await left(store) == entry_ids


@pytest.mark.redis
async def test_a_group_whose_worker_has_just_left_still_holds(store: Redis) -> None:
    """A deploy removes the consumer; what it was given last is young."""
    entry_ids = await stored(store)
    await read(store, 1, group="analytics")
    await store.xgroup_delconsumer(STREAM.key, "analytics", "worker")
    await read(store, 3 * NODE)
    await trimmer_for(store).trim(short=True)

    assert await left(store) == entry_ids


@pytest.mark.redis
async def test_a_group_whose_worker_has_left_properly_holds_old_entries_too(store: Redis) -> None:
    """A clean stop must not lose what a crash would keep."""
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    await read(store, 1, group="quiet")
    await store.xack(STREAM.key, "quiet", entry_ids[0])
    await Script("consumers", "leave")(store, [STREAM.key], "quiet", "worker")
    await read(store, 3 * NODE)
    await trimmer_for(store).trim(short=True)

    assert await left(store) == entry_ids


@pytest.mark.redis
async def test_what_waits_for_days_elsewhere_holds_nothing(store: Redis) -> None:
    """One old entry is put off for three days; all that is settled behind it goes.

    It comes back whole, and is not trimmed while it waits or before it is handled.
    """
    entry_ids = await stored(store, age_ms=30 * DAY_MS)
    (waiting,) = await read(store, 1, acked=False, consumer="us")
    await read(store, 3 * NODE)
    trimmer = trimmer_for(store)
    await trimmer.trim(short=True)
    pinned = await left(store)
    await put_off_for_days(store, make_entry(waiting))
    await trimmer.trim(short=True)
    freed = await left(store)
    await make_due(store)
    await returns_for(store).look()
    await trimmer.trim(short=True)
    await returns_for(store, make_again()).tidy()

    assert (pinned, freed) == (entry_ids, [])
    assert [fields for _, fields in (await given_again(store)).items()] == [
        {b"n": waiting.encode(), b"entryid": waiting.encode()}
    ]


@pytest.mark.redis
async def test_what_waits_long_is_never_trimmed(store: Redis) -> None:
    """It leaves when it is due, however short memory is."""
    await stored(store, age_ms=30 * DAY_MS)
    for entry_id in await read(store, 3 * NODE, acked=False, consumer="us"):
        await put_off_for_days(store, make_entry(entry_id))
    await trimmer_for(store).trim(short=True)

    assert len(await waiting_long(store)) == 3 * NODE
    assert await left(store) == []


# --- what is removed


@pytest.mark.redis
async def test_what_is_settled_is_kept_for_the_retention_time(store: Redis) -> None:
    """It can be replayed until then."""
    old = await stored(store, 2 * NODE, age_ms=8 * DAY_MS)
    young = await stored(store, NODE, age_ms=6 * DAY_MS)
    await read(store, 3 * NODE)
    removed = await trimmer_for(store).trim(short=False)

    assert removed == len(old)
    assert await left(store) == young


@pytest.mark.redis
async def test_what_is_settled_goes_when_memory_is_short(store: Redis) -> None:
    """Settled history is worth less than the next event."""
    entry_ids = await stored(store, 3 * NODE)
    await read(store, 2 * NODE)
    removed = await trimmer_for(store).trim(short=True)

    assert removed == 2 * NODE
    assert await left(store) == entry_ids[2 * NODE :]


@pytest.mark.redis
@pytest.mark.parametrize(
    ("age_ms", "short", "goes"),
    [
        (8 * DAY_MS, False, True),
        (6 * DAY_MS, False, False),
        (3_700_000, True, True),
        (3_500_000, True, False),
    ],
)
async def test_what_nobody_holds_is_kept_for_a_time(
    store: Redis, age_ms: int, *, short: bool, goes: bool
) -> None:
    """For the retention, or at least an hour when memory is short: somebody may yet want it."""
    entry_ids = await stored(store, NODE, age_ms=age_ms)
    await stored(store, 1, event_type="other")
    if short:
        await memory_becomes_short(store)
    await trimmer_for(store).trim(short=short)
    await store.config_set("maxmemory", 0)

    assert await left(store) == ([] if goes else entry_ids)


@pytest.mark.redis
async def test_what_nobody_holds_goes_oldest_first_and_no_further_than_needed(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all streams alike, and only after what is settled in the streams that are held."""
    for event_type in ("a", "b"):
        for age_ms in (6 * DAY_MS, 3 * DAY_MS, DAY_MS // 2):
            await stored(store, NODE, age_ms=age_ms, event_type=event_type)
    await stored(store, NODE)
    await read(store, NODE)
    looks: list[tuple[int, ...]] = []

    async def short_until_half_are_gone(_: Trimmer) -> bool:
        looks.append(tuple([len(await left(store, event_type)) for event_type in ("a", "b", TYPE)]))
        return looks[-1][0] > NODE

    monkeypatch.setattr(Trimmer, "_memory_is_short", short_until_half_are_gone)
    await trimmer_for(store).trim(short=True)

    assert list(dict.fromkeys(looks)) == [
        (3 * NODE, 3 * NODE, 0),
        (2 * NODE, 2 * NODE, 0),
        (NODE, NODE, 0),
    ]


@pytest.mark.redis
async def test_a_full_server_is_trimmed(store: Redis) -> None:
    """Nothing else would ever make room again; a lease that needs memory must not be in the way."""
    await stored(store, 3 * NODE)
    await read(store, 3 * NODE)
    async with full(store):
        removed = await trimmer_for(store).trim(short=True)

    assert removed == 3 * NODE


@pytest.mark.redis
@pytest.mark.parametrize("stream", [True, False], ids=["a stream's group", "a configured group"])
async def test_old_dead_letters_are_removed_and_that_is_said(store: Redis, *, stream: bool) -> None:
    """Thirty days after they were set aside, each of them; younger ones stay."""
    await store.hset(KEYS.streams(TAG), TYPE, "1 0-1")
    if stream:
        await stored(store, 1)
        await read(store, 1)
    else:
        await store.hset(KEYS.groups(TAG), GROUP, '1 ["*:*"]')
    dead = KEYS.dead(TAG, GROUP)
    old = await now_ms(store) - 1000 * DEAD_LETTER_SECONDS
    pipeline = store.pipeline(transaction=False)
    # The last of the old ones share a node with the first of the young ones.
    for number in range(3 * NODE + 30):
        pipeline.xadd(dead, {"id": "evt_1"}, id=f"{old - 1000}-{number}")
    for number in range(NODE):
        pipeline.xadd(dead, {"id": "evt_1"}, id=f"{old + 60_000}-{number}")
    await pipeline.execute()
    with capture_logs() as logs:
        await trimmer_for(store).trim(short=False)

    assert await store.xlen(dead) == NODE
    assert logs == [
        {
            "event": "dead_letters_lost",
            "log_level": "error",
            "stream": dead,
            "letters": 3 * NODE + 30,
            "bound": "age",
        }
    ]


@pytest.mark.redis
async def test_a_book_of_dead_letters_that_is_none_stops_no_trimming(store: Redis) -> None:
    """The other groups' letters and the other tags are looked after."""
    await stored(store, NODE, age_ms=8 * DAY_MS, event_type="a")
    await store.hset(KEYS.groups(TAG), GROUP, '1 ["nothing:*"]')
    await store.set(KEYS.dead(TAG, GROUP), "1", px=60_000)
    removed = await trimmer_for(store).trim(short=False)

    assert removed == NODE


@pytest.mark.redis
async def test_every_stream_of_every_tag_is_trimmed(store: Redis) -> None:
    """One that is gone is passed over."""
    await stored(store, NODE, age_ms=8 * DAY_MS, event_type="a")
    await stored(store, NODE, age_ms=8 * DAY_MS, event_type="c")
    await store.hset(KEYS.streams(TAG), "b", "2 0-1")
    removed = await trimmer_for(store, tags=("github", TAG)).trim(short=False)

    assert removed == 2 * NODE


@pytest.mark.redis
async def test_no_single_step_removes_much(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does nothing else while it frees what is removed."""
    monkeypatch.setattr("consumers.trim.STEP", NODE)
    await stored(store, 5 * NODE)
    await read(store, 5 * NODE)
    await store.config_resetstat()
    removed = await trimmer_for(store).trim(short=True)
    steps = (await store.info("commandstats"))["cmdstat_xtrim"]["calls"]

    assert removed == 5 * NODE
    assert steps >= 5


@pytest.mark.redis
async def test_nodes_that_are_larger_than_a_step_are_removed(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many entries one holds is a setting of the server."""
    monkeypatch.setattr("consumers.trim.STEP", NODE // 2)
    await stored(store, 3 * NODE)
    await read(store, 3 * NODE)

    assert await trimmer_for(store).trim(short=True) == 3 * NODE


@pytest.mark.redis
async def test_a_trimmer_that_took_too_long_leaves_off(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has its lease by then, and keeps it."""
    monkeypatch.setattr("consumers.turn.RENEWED_AFTER", 0)
    await stored(store, 2 * NODE)
    await read(store, 2 * NODE)
    floor_of = Trimmer._floor

    async def overtaken(self: Trimmer, *arguments: Any) -> Any:
        await store.set(KEYS.lease_trim(TAG), "other", px=60_000)
        return await floor_of(self, *arguments)

    monkeypatch.setattr(Trimmer, "_floor", overtaken)
    removed = await trimmer_for(store).trim(short=True)

    assert removed == 0
    assert await store.get(KEYS.lease_trim(TAG)) == b"other"


# --- who trims, and when


@pytest.mark.redis
async def test_one_process_at_a_time_trims_a_tag(store: Redis) -> None:
    """The lease ends by itself, and is given back before that."""
    await stored(store, NODE, age_ms=8 * DAY_MS)
    await store.set(KEYS.lease_trim(TAG), "other", px=60_000)
    first = await trimmer_for(store).trim(short=False)
    await store.delete(KEYS.lease_trim(TAG))
    second = await trimmer_for(store).trim(short=False)

    assert (first, second) == (0, NODE)
    assert not await store.exists(KEYS.lease_trim(TAG))


@pytest.mark.redis
@pytest.mark.parametrize(("factor", "short"), [(2.0, False), (1.2, True), (0.5, True)])
async def test_memory_is_short_above_seven_tenths(
    store: Redis, factor: float, *, short: bool
) -> None:
    """Of what the server may use."""
    used = int((await store.info("memory"))["used_memory"])
    await store.config_set("maxmemory", int(factor * used))
    answer = await trimmer_for(store)._memory_is_short()
    await store.config_set("maxmemory", 0)

    assert answer is short


@pytest.mark.redis
async def test_short_memory_is_noticed_and_mended_by_itself(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for the next half minute."""
    monkeypatch.setattr("consumers.trim.WATCH_SECONDS", 0.01)
    monkeypatch.setattr("consumers.trim.random", _Never())
    await stored(store, 3 * NODE)
    await read(store, 3 * NODE)
    duties = Duties()
    duties.start("trim", trimmer_for(store).run)
    await memory_becomes_short(store)

    async def trimmed() -> bool:
        return await left(store) == []

    await wait_until(trimmed, description="settled entries go")
    await store.config_set("maxmemory", 0)
    await duties.stop()


class _Never:
    """Chance that puts the first regular trimming as late as it may be."""

    def random(self) -> Any:
        return 1.0
