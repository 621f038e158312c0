"""Replays that are interrupted, whose replies are lost, that are begun twice, or that must wait."""

import asyncio
import random
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.operations import insist
from consumers.operations.groups.remove import plan_removal, remove
from consumers.operations.pace import Pace
from consumers.operations.progress import Progress, Report
from consumers.operations.replay import (
    ReplayGoesOn,
    ReplayRefused,
    StoreTooFull,
    continue_replay,
    go_on,
    hold,
    start_replay,
)
from consumers.operations.replay.book import Heading, StreamState, begin_book, read_books
from consumers.operations.replay.memory import Memory, memory_of
from consumers.operations.replay.wanted import Wanted, parts_of
from relay.contract.connect import text_of
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, full, make_stream, numbered
from tests.consumers.operations.replay.making import (
    AGAIN,
    Hinder,
    begun,
    copied,
    hinder,
    lost,
    planned,
    stored,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

EVENTS = numbered(500)
# After this long a replay that waits for another waits for ever.
DEADLINE_SECONDS = 10.0


class Interrupted(Exception):
    """What a test interrupts a replay with."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for long."""
    monkeypatch.setattr(insist, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(insist, "LAST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(hold, "HOLD_MS", 60)
    monkeypatch.setattr(go_on, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(go_on, "MEMORY_SECONDS", 0.0)


def after_pages(count: int) -> Report:
    """Make a report that interrupts after so many pages."""
    seen = 0

    def report(_: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            raise Interrupted

    return report


@pytest.mark.parametrize("seed", range(6))
async def test_each_entry_is_copied_once_however_often_replies_are_lost(
    store: Redis, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A call that was lost on its way, or whose answer was, is sent again."""
    chance = random.Random(seed)

    async def sometimes_lost(call: Hinder) -> object:
        what = chance.choice(["fine", "not sent", "not answered"])
        if what == "not sent":
            raise lost()
        answer = await call()
        if what == "not answered":
            raise lost()
        return answer

    await stored(store, EVENTS)
    hinder(monkeypatch, sometimes_lost)
    result = await continue_replay(store, KEYS, await begun(store))

    assert await copied(store) == EVENTS
    assert (result.copied, result.gone) == (len(EVENTS), 0)


async def test_a_limit_is_kept_where_a_reply_is_lost(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lost call copied counts, before more is copied."""
    first = True

    async def first_lost(call: Hinder) -> object:
        nonlocal first
        answer = await call()
        if first:
            first = False
            raise lost()
        return answer

    await stored(store, EVENTS)
    hinder(monkeypatch, first_lost)
    await continue_replay(store, KEYS, await begun(store, limit=10))

    assert await copied(store) == EVENTS[:10]


@pytest.mark.parametrize("seed", range(3))
async def test_each_entry_is_copied_once_however_often_it_is_interrupted(
    store: Redis, seed: int
) -> None:
    """Whoever goes on finds in the book how far it had come."""
    chance = random.Random(seed)
    await stored(store, EVENTS)
    name, interruptions = await begun(store), 0
    while True:
        try:
            result = await continue_replay(
                store, KEYS, name, report=after_pages(chance.randint(1, 4))
            )
        except Interrupted:
            interruptions += 1
        else:
            break

    assert await copied(store) == EVENTS
    assert (result.copied, interruptions > 0) == (len(EVENTS), True)


async def test_who_was_away_for_so_long_that_another_has_gone_on_copies_nothing_more(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still; what it then knows is not what there is, and the limit would be passed."""
    for event_type in ("a.one", "a.two"):
        await stored(store, numbered(100, event_type), event_type)
    await stored(store, EVENTS, TYPE, "github")
    name = await begun(store, limit=100)
    other, calls = go_on._copy, 0

    async def behind_another(call: Hinder) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            monkeypatch.setattr(go_on, "_copy", other)
            await continue_replay(store, KEYS, name)
        return await call()

    hinder(monkeypatch, behind_another)
    with pytest.raises(ReplayGoesOn, match="Another process has gone on"):
        await continue_replay(store, KEYS, name)

    places = [KEYS.again("github", GROUP, TYPE)]
    places += [KEYS.again(TAG, GROUP, name) for name in ("a.one", "a.two")]
    assert sum([await store.xlen(place) for place in places]) == 100


async def test_two_that_go_on_at_once_keep_the_limit_together(store: Redis) -> None:
    """Whoever comes second waits, and finds that nothing is left, or is refused."""
    for event_type in ("a.one", "a.two", "a.three"):
        await stored(store, numbered(100, event_type), event_type)
    name = await begun(store, limit=200)

    results: list[Any] = await asyncio.gather(
        *(continue_replay(store, KEYS, name) for _ in range(3)), return_exceptions=True
    )

    found = [
        await store.xlen(KEYS.again(TAG, GROUP, f"a.{end}")) for end in ("one", "two", "three")
    ]
    done = [each for each in results if not isinstance(each, ReplayGoesOn)]
    assert sum(found) == 200
    assert [each.copied for each in done] == len(done) * [200]
    assert done


async def held(store: Redis, name: str, **changes: Any) -> hold.Hold:
    """Have somebody else hold a replay."""
    books = await read_books(store, KEYS, name, [TAG])
    other = hold.Hold(
        redis=store, keys=KEYS, name=name, run=books[TAG].heading.run, tags=[TAG],
        by="host:1:abc", **changes,
    )  # fmt: skip
    await other.take()
    return other


async def test_what_somebody_holds_on_is_refused_and_said(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whom, and that nothing is to be done but to wait."""
    monkeypatch.setattr(hold, "HOLD_MS", 2000)
    await stored(store, EVENTS)
    name = await begun(store)
    other, refused = await held(store, name), asyncio.Event()

    async def hold_on() -> None:
        while not refused.is_set():
            await other.take()
            await asyncio.sleep(0)

    holding = asyncio.create_task(hold_on())
    with pytest.raises(ReplayGoesOn, match="host:1"):
        await asyncio.wait_for(continue_replay(store, KEYS, name), DEADLINE_SECONDS)
    refused.set()
    await holding

    assert await store.exists(AGAIN) == 0


async def test_who_goes_on_holds_on_while_it_does(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each third of the time it says that it lives."""
    monkeypatch.setattr(hold, "HOLD_MS", 30)
    await stored(store, EVENTS)
    name, ends = await begun(store), set()
    loop = asyncio.get_running_loop()

    async def slowly(call: Hinder) -> object:
        later = loop.time() + 0.011
        await wait_until(lambda: loop.time() > later, description="a third of the time")
        ends.add(await store.hget(KEYS.replay(TAG, *parts_of(name)), "@until"))
        return await call()

    hinder(monkeypatch, slowly)
    await continue_replay(store, KEYS, name)

    assert len(ends) > 3


async def test_each_stream_of_many_is_copied_while_it_is_held(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One turn of all of them may take longer than it is held: at a low rate each waits a while."""
    monkeypatch.setattr(hold, "HOLD_MS", 30)
    types = [f"a.t{number}" for number in range(8)]
    for event_type in types:
        await stored(store, [event_type], event_type)
    name, ends = await begun(store), set()
    loop = asyncio.get_running_loop()

    async def slowly(call: Hinder) -> object:
        ends.add(await store.hget(KEYS.replay(TAG, *parts_of(name)), "@until"))
        later = loop.time() + 0.011
        await wait_until(lambda: loop.time() > later, description="a third of the time")
        return await call()

    hinder(monkeypatch, slowly)
    await continue_replay(store, KEYS, name)

    assert len(ends) == len(types)


async def test_a_slow_one_is_not_waited_for(store: Redis) -> None:
    """Between two copies at a low rate it says nothing for long."""
    await stored(store, EVENTS)
    name = await begun(store)
    await held(store, name, pause_ms=60_000)

    with pytest.raises(ReplayGoesOn, match=r"free in 1\d\d s"):
        await continue_replay(store, KEYS, name)


@pytest.mark.parametrize("pause_ms", [0, 20], ids=["at once", "at a rate"])
async def test_one_that_was_killed_lets_go_by_itself(store: Redis, pause_ms: int) -> None:
    """And one that has ended or was interrupted at once."""
    await stored(store, EVENTS)
    name = await begun(store)
    await held(store, name, pause_ms=pause_ms)
    said: list[str] = []

    with pytest.raises(Interrupted):
        await continue_replay(store, KEYS, name, report=after_pages(1), waiting=said.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hold, "HOLD_MS", 3_600_000)
        with pytest.raises(Interrupted):
            await continue_replay(store, KEYS, name, report=after_pages(1))
        result = await asyncio.wait_for(continue_replay(store, KEYS, name), DEADLINE_SECONDS)

    assert result.copied == len(EVENTS)
    assert said == ["another"]


async def test_one_that_was_killed_lets_go_of_each_tag_in_its_time(store: Redis) -> None:
    """It held the second a moment later than the first, which does not mean that it lives."""
    await stored(store, EVENTS)
    await stored(store, ["other"], TYPE, "github")
    name = await begun(store)
    other = await held(store, name)
    github = KEYS.replay("github", *parts_of(name))
    ends = await store.hget(KEYS.replay(TAG, *parts_of(name)), "@until")
    earlier = str(int(ends or 0) - 40)
    await store.hset(github, mapping={"@by": other.by, "@until": earlier})

    result = await continue_replay(store, KEYS, name)

    assert result.copied == len(EVENTS) + 1


async def test_a_full_server_lets_a_replay_be_held(store: Redis) -> None:
    """The rest of it passes there too."""
    await stored(store, EVENTS)
    name = await begun(store)
    async with full(store):
        other = await held(store, name)

    assert await store.hget(KEYS.replay(TAG, *parts_of(name)), "@by") == other.by.encode()


async def test_the_same_is_not_begun_twice_while_it_has_not_ended(store: Redis) -> None:
    """It would copy again what was copied; the message says how to go on."""
    await stored(store, EVENTS)
    plan = await planned(store)
    name = await start_replay(store, KEYS, plan, said=["crm", "--since", "2h"])

    with pytest.raises(ReplayRefused, match=f"--resume {name}"):
        await start_replay(store, KEYS, plan, said=["crm", "--since", "2h"])
    await continue_replay(store, KEYS, name)
    again = await start_replay(store, KEYS, plan, said=["crm", "--since", "2h"])

    assert again == name


async def test_another_selection_is_another_replay(store: Redis) -> None:
    """Both may be under way."""
    await stored(store, EVENTS)
    one, two = await begun(store, until="99999999999999-0"), await begun(store)

    assert one != two


async def test_a_replay_that_is_begun_anew_ends_the_former(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former one copies nothing more."""
    await stored(store, EVENTS)
    plan = await planned(store)
    name = await start_replay(store, KEYS, plan)
    real = go_on._copy
    calls = 0

    async def superseded(call: Hinder) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            await start_replay(store, KEYS, plan, anew=True)
        return await call()

    hinder(monkeypatch, superseded)
    with pytest.raises(ReplayRefused):
        await continue_replay(store, KEYS, name)
    assert await store.xlen(AGAIN) == go_on.COPIES_PER_CALL
    monkeypatch.setattr(go_on, "_copy", real)

    assert (await continue_replay(store, KEYS, name)).copied == len(EVENTS)


async def test_of_two_who_begin_at_once_one_does(store: Redis) -> None:
    """Neither knows of the other until it writes; a second answer to the first is the same."""
    state = StreamState(next="1-0", last="2-0")
    name = f"{GROUP}:00000000"
    key = KEYS.replay(TAG, *parts_of(name))
    wanted = Wanted(group=GROUP)
    runs = [Heading(run=run, began_ms=1, wanted=wanted, tags=(TAG,)) for run in ("a", "b", "a")]

    answers = [await begin_book(store, key, each, {TYPE: state}, "") for each in runs]

    assert answers == [True, False, True]
    assert (await read_books(store, KEYS, name, [TAG]))[TAG].heading.run == "a"


async def test_what_was_begun_in_one_tag_only_is_begun_in_the_others(store: Redis) -> None:
    """Interrupted between the books of two tags, nothing has been copied yet."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    name = await begun(store)
    await store.delete(KEYS.replay("github", *parts_of(name)))

    result = await continue_replay(store, KEYS, name)

    assert result.copied == 2
    assert await copied(store, KEYS.again("github", GROUP, TYPE)) == ["evt_2"]


async def test_what_arrived_since_a_replay_began_is_none_of_it_in_any_tag(store: Redis) -> None:
    """Nor where its book is written only when somebody goes on, and the group has read more."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    name = await begun(store)
    books = await read_books(store, KEYS, name, [TAG])
    await store.delete(KEYS.replay("github", *parts_of(name)))

    async def a_moment_has_passed() -> bool:
        seconds, microseconds = await store.time()
        return 1000 * seconds + microseconds // 1000 > books[TAG].heading.began_ms

    await wait_until(a_moment_has_passed, description="the next millisecond")
    await stored(store, ["evt_3"], TYPE, "github")

    await continue_replay(store, KEYS, name)

    assert await copied(store, KEYS.again("github", GROUP, TYPE)) == ["evt_2"]


async def test_a_former_run_in_another_tag_does_not_keep_a_replay_from_being_over(
    store: Redis,
) -> None:
    """It was given up when the same was begun anew, where its tag had nothing more to give."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    await begun(store)
    await store.xtrim(make_stream(TYPE, "github").key, maxlen=0)
    name = await start_replay(store, KEYS, await planned(store), anew=True)
    await continue_replay(store, KEYS, name)

    again = await begun(store)

    assert again == name


async def test_a_book_that_was_lost_half_way_is_not_begun_again(store: Redis) -> None:
    """What became of its streams is unknown, and copying all of them again would double some."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    name = await begun(store)
    await continue_replay(store, KEYS, name)
    await store.delete(KEYS.replay("github", *parts_of(name)))

    await continue_replay(store, KEYS, name)

    assert await copied(store, KEYS.again("github", GROUP, TYPE)) == ["evt_2"]


@pytest.mark.parametrize("name", ["crm:00000000", "crm", "no name"])
async def test_an_unknown_replay_is_said(store: Redis, name: str) -> None:
    """Whether nobody began it, or it is no id at all."""
    with pytest.raises(ReplayRefused, match=name):
        await continue_replay(store, KEYS, name)


async def test_what_is_removed_meanwhile_is_counted_as_gone(store: Redis) -> None:
    """Trimming does not wait for a replay; where it was is said."""
    ids = await stored(store, EVENTS)
    name = await begun(store)
    with pytest.raises(Interrupted):
        await continue_replay(store, KEYS, name, report=after_pages(1))
    await store.xtrim(make_stream().key, minid=ids[300], approximate=False)

    result = await continue_replay(store, KEYS, name)

    page = go_on.COPIES_PER_CALL
    assert await copied(store) == EVENTS[:page] + EVENTS[300:]
    assert result.gone == 300 - page
    assert result.gone_ranges == ((make_stream().key, ids[page], ids[300]),)


async def test_a_stream_that_is_removed_meanwhile_ends_its_part(store: Redis) -> None:
    """All that was left of it is gone."""
    await stored(store, EVENTS)
    name = await begun(store)
    await store.delete(make_stream().key)

    result = await continue_replay(store, KEYS, name)

    assert (result.copied, result.gone) == (0, len(EVENTS))


async def test_a_key_of_another_type_in_the_place_of_a_stream_is_a_fault(store: Redis) -> None:
    """And not taken for a stream whose entries are gone."""
    await stored(store, EVENTS)
    name = await begun(store)
    await store.delete(make_stream().key)
    await store.set(make_stream().key, "mine", px=60_000)

    result = await continue_replay(store, KEYS, name)

    assert [key for key, _ in result.faults] == [make_stream().key]
    assert result.gone == 0


async def test_a_rate_is_kept(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 copies at 100 a second take five seconds, less the last page's pause."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(go_on, "Pace", lambda rate: Pace(rate, lambda: now, sleep))
    await stored(store, EVENTS)
    await continue_replay(store, KEYS, await begun(store), per_second=100.0)

    assert 4.5 < now <= 5.0


async def test_no_more_copies_are_ahead_than_may_be(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay waits for the group to read, and goes on when it has."""
    monkeypatch.setattr(go_on, "AHEAD", 200)
    await stored(store, EVENTS)
    most, waits = 0, []

    async def watched(call: Hinder) -> object:
        nonlocal most
        answer: Any = await call()
        (group,) = await store.xinfo_groups(AGAIN)
        unread: Any = await store.xrange(AGAIN, min=f"({text_of(group['last-delivered-id'])}")
        most = max(most, len(unread))
        if answer[0] == b"ahead":
            waits.append(len(unread))
            await store.xreadgroup(GROUP, "us", {AGAIN: ">"}, count=150)
        return answer

    hinder(monkeypatch, watched)
    said: list[str] = []
    await continue_replay(store, KEYS, await begun(store), waiting=said.append)

    assert await copied(store) == EVENTS
    assert 0 < most <= 200
    assert set(said) == {"handlers"}
    assert waits


async def test_copies_that_were_read_and_removed_are_not_waited_for(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last of them their stream goes, and what the group had read with it."""
    monkeypatch.setattr(go_on, "AHEAD", 200)
    await stored(store, EVENTS)
    total = 0

    async def tidied(call: Hinder) -> object:
        nonlocal total
        answer = await call()
        if answer[0] == b"ahead":
            total += await store.xlen(AGAIN)
            await store.delete(AGAIN)
        return answer

    hinder(monkeypatch, tidied)
    await continue_replay(store, KEYS, await begun(store))

    assert total + await store.xlen(AGAIN) == len(EVENTS)


async def test_a_store_that_is_nearly_full_ends_a_replay(store: Redis) -> None:
    """Copies must not take the room that events and workers need; the rest can follow later."""
    await stored(store, EVENTS)
    name = await begun(store)
    used = (await store.info("memory"))["used_memory"]
    await store.config_set("maxmemory", int(used / 0.9))

    with pytest.raises(StoreTooFull, match=f"--resume {name}"):
        await continue_replay(store, KEYS, name)
    await store.config_set("maxmemory", 0)

    assert (await continue_replay(store, KEYS, name)).copied == len(EVENTS)


async def test_a_replay_waits_while_memory_is_short(store: Redis) -> None:
    """At 70 % settled history is trimmed, which makes room; waiting is said once."""
    await stored(store, EVENTS)
    name = await begun(store)
    used = (await store.info("memory"))["used_memory"]
    await store.config_set("maxmemory", int(used / 0.75))
    said: list[str] = []

    async def then_room(redis: Redis) -> Memory:
        memory = await memory_of(redis)
        await store.config_set("maxmemory", 0)
        return memory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(go_on, "memory_of", then_room)
        result = await continue_replay(store, KEYS, name, waiting=said.append)

    assert (result.copied, said) == (len(EVENTS), ["memory"])


async def test_a_full_server_takes_books_and_copies_whole(store: Redis) -> None:
    """A script that stops half-way would leave copies that no book knows of."""
    await stored(store, ["evt_1"])
    plan = await planned(store)
    state = StreamState(next=plan.streams[0].first, last=plan.streams[0].last)
    heading = Heading(run="r", began_ms=1, wanted=Wanted(group=GROUP), tags=(TAG,))
    name = f"{GROUP}:00000000"
    key = KEYS.replay(TAG, *parts_of(name))
    async with full(store):
        assert await begin_book(store, key, heading, {TYPE: state}, "")
        books = await read_books(store, KEYS, name, [TAG])
        text, _ = books[TAG].streams[TYPE]
        await hold.Hold(redis=store, keys=KEYS, name=name, run="r", tags=[TAG], by="us").take()
        arguments = (GROUP, TYPE, "r", "us", text, 64, 128, 1_000_000, 1000, "")
        answer = await go_on._copy(store, [make_stream().key, AGAIN, key], *arguments)

    assert answer[0] == b"went"
    assert await copied(store) == ["evt_1"]


async def test_what_cannot_be_looked_at_is_not_begun_without_it(store: Redis) -> None:
    """A book that was not written yet would say that its tag has nothing to copy."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    name: str = await begun(store)
    types: Any = await store.hgetall(KEYS.streams("github"))
    await store.delete(KEYS.replay("github", *parts_of(name)), KEYS.streams("github"))
    await store.set(KEYS.streams("github"), "mine", px=60_000)

    with pytest.raises(ReplayRefused, match="@streams cannot be looked at: it is a string"):
        await continue_replay(store, KEYS, name)
    await store.delete(KEYS.streams("github"))
    await store.hset(KEYS.streams("github"), mapping=types)

    assert (await continue_replay(store, KEYS, name)).copied == 2


async def test_a_replay_stops_where_its_group_is_removed_and_leaves_nothing(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what it gave the group before, nor anything after: nobody would read it."""
    await stored(store, EVENTS)
    removal = await plan_removal(store, KEYS, GROUP)
    name, calls = await begun(store), 0

    async def then_removed(call: Hinder) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            await remove(store, KEYS, removal)
        return await call()

    hinder(monkeypatch, then_removed)
    result = await continue_replay(store, KEYS, name)

    assert result.faults == ((make_stream().key, "crm does not read it any more: it was removed"),)
    assert calls == 3
    assert await store.exists(AGAIN) == 0


async def test_where_a_group_is_removed_from_one_endpoint_the_others_are_gone_on_with(
    store: Redis,
) -> None:
    """What was asked for of them is still meant."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    name = await begun(store)
    await remove(store, KEYS, await plan_removal(store, KEYS, GROUP, endpoint="github"))

    result = await continue_replay(store, KEYS, name)

    assert (result.copied, len(result.faults)) == (1, 1)
    assert await copied(store) == ["evt_1"]
    assert await store.exists(KEYS.again("github", GROUP, TYPE)) == 0
