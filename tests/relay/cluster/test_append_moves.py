"""Appending to six servers while a slot moves, and while a primary dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import pytest

from relay.append import Limits
from relay.append.spread import SpreadAppender
from relay.contract.cluster import ClusterUnknown, look
from relay.contract.connect import UNKNOWN_OUTCOME, connect
from relay.contract.errors import StoreFull, StoreUnavailable, TryLater
from tests.clusters import SixNodes
from tests.making import make_identified
from tests.relay.appending import KEYS, Heard
from tests.relay.cluster.load import Load, slot_of, stored, tags_of
from tests.relay.cluster.scripted import HALVES, HIGH, LOW, Scripted
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


@pytest.fixture(params=[0, 1], ids=["local", "replicated"])
def replicas(request: pytest.FixtureRequest) -> int:
    """How many replicas must have an event before it is taken."""
    return int(request.param)


@pytest.fixture
async def load(
    six: SixNodes, replicas: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Load]:
    """Two endpoints on each of the three primaries; an event waits for longer than a failover."""
    # What is learnt is learnt from errors.
    monkeypatch.setattr("relay.contract.cluster.topology.LOOK_EVERY_SECONDS", 3600.0)
    client = connect(six.url, role="append")
    appender = SpreadAppender(
        client,
        KEYS,
        observer=Heard(),
        limits=Limits(deadline_seconds=25.0),
        tags=["unipile"],
        replicas=replicas,
    )

    async def take(tag: str, event_id: str) -> str:
        try:
            await appender.append(make_identified(event_id, tag=tag))
        except TryLater as error:
            return repr(error)
        return ""

    yield Load(take, tags_of(six))
    await appender.stop()
    await client.aclose()


async def test_nothing_is_lost_or_doubled_while_a_slot_moves(six: SixNodes, load: Load) -> None:
    """Whatever moment its keys go over at; the other endpoints notice nothing."""
    moved = load.tags[0]
    slot = slot_of(moved)
    goal = next(node for node in six.primaries if node is not six.owner(slot))
    async with load.running():
        await load.until_more(20)
        source = six.begin_move(slot, goal)
        await load.until_more(5, *load.tags[1:])
        while six.move_keys(slot, source, goal, count=1):
            await load.until_more(1, *load.tags[1:])
        six.end_move(slot, goal)
        await load.until_more(20)

    assert six.owner(slot) is goal
    for tag in load.tags:
        assert sorted(await stored(six, tag)) == sorted(load.taken[tag])
    assert load.refusals(load.tags) == []


async def test_a_dead_primary_holds_up_its_own_endpoints_only(
    six: SixNodes, load: Load, replicas: int
) -> None:
    """Theirs wait until its replica has its place; the others' are taken all along.

    Where a replica must confirm, nothing that was taken is gone with the dead one.
    """
    victim = six.owner(slot_of(load.tags[0]))
    theirs = [tag for tag in load.tags if six.owner(slot_of(tag)) is victim]
    others = [tag for tag in load.tags if tag not in theirs]
    async with load.running():
        await load.until_more(20)
        victim.kill()
        await load.until_more(20, *others)
        if replicas:  # the new one needs one too
            await wait_until(
                lambda: six.owner(slot_of(theirs[0])) is not victim, description="it is replaced"
            )
            await asyncio.to_thread(victim.start)
        await load.until_more(20, *theirs)

    assert len(theirs) == 2
    assert load.refusals(others if replicas else load.tags) == []
    for tag in load.tags:
        there = await stored(six, tag)
        assert len(set(there)) == len(there)
        assert set(there) <= set(load.taken[tag])
        # What the dead one confirmed alone is gone with it: so is asynchronous replication.
        assert (tag in theirs and not replicas) or len(there) == len(load.taken[tag])


async def test_a_sleeping_primary_holds_up_its_own_endpoints_only(
    six: SixNodes, load: Load, replicas: int
) -> None:
    """Its connections stand, and say nothing."""
    victim = six.owner(slot_of(load.tags[0]))
    theirs = [tag for tag in load.tags if six.owner(slot_of(tag)) is victim]
    others = [tag for tag in load.tags if tag not in theirs]
    async with load.running():
        await load.until_more(5)
        victim.fall_asleep()
        try:
            await load.until_more(20, *others)
            await wait_until(
                lambda: six.owner(slot_of(theirs[0])) is not victim, description="it is replaced"
            )
        finally:
            victim.wake_up()
        await load.until_more(5, *theirs)

    assert load.refusals(others if replicas else load.tags) == []
    for tag in load.tags:
        there = await stored(six, tag)
        assert len(set(there)) == len(there)


async def test_a_dead_server_is_asked_until_its_tags_are_elsewhere(
    six: SixNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The questions alone find out that they are; the others answer all along."""
    monkeypatch.setattr("relay.contract.cluster.topology.LOOK_EVERY_SECONDS", 3600.0)
    client, tags = connect(six.url, role="append"), tags_of(six)
    heard, limits = Heard(), Limits(deadline_seconds=0.5)
    appender = SpreadAppender(client, KEYS, tags=tags, observer=heard, limits=limits)
    await look(client)
    servers = {tag: appender.server_of(tag) for tag in tags}
    victim = six.owner(slot_of(tags[0]))
    others = [tag for tag in tags if six.owner(slot_of(tag)) is not victim]
    victim.kill()
    with pytest.raises(StoreUnavailable):
        await appender.append(make_identified("evt_1", tag=tags[0]))
    with pytest.raises(UNKNOWN_OUTCOME):
        await appender.probe_server(servers[tags[0]])
    for tag in others:
        await appender.probe_server(servers[tag])

    async def is_left() -> bool:
        """Ask the dead one."""
        with suppress(*UNKNOWN_OUTCOME):
            await appender.probe_server(servers[tags[0]])
            return True
        return False

    await wait_until(is_left, deadline_seconds=20, description="nothing is sent there any more")
    now = appender.server_of(tags[0])
    await appender.probe_server(now)
    await appender.stop()
    await client.aclose()

    assert now is not servers[tags[0]]
    assert heard.failed_at[0] is servers[tags[0]]
    assert {tag: appender.server_of(tag) for tag in others} == {tag: servers[tag] for tag in others}


async def test_where_nobody_has_a_tag_the_whole_cluster_is_meant_and_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until somebody has it; before, there is no server to ask."""
    monkeypatch.setattr("relay.contract.cluster.topology.LOOK_AGAIN_SECONDS", 0.0)
    scripted = Scripted([HALVES[0]])
    a, b = cast("Any", scripted.a), cast("Any", scripted.b)
    tags = [HIGH.strip("{}"), LOW.strip("{}")]
    appender = SpreadAppender(scripted.client, KEYS, tags=tags)

    with pytest.raises(ClusterUnknown):
        await appender.probe_server(scripted.client)
    assert appender.server_of(tags[0]) is scripted.client
    assert appender.server_of(tags[1]) is a
    scripted.halves = list(HALVES)
    await appender.probe_server(scripted.client)
    assert appender.server_of(tags[0]) is b
    await scripted.client.aclose()


async def test_a_server_with_nothing_but_tags_that_were_taken_over_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are configured no more; without them nothing is sent there, and it is not asked."""
    asked: list[tuple[Any, str]] = []

    async def ask(_: SpreadAppender, server: Any, tag: str) -> None:
        asked.append((server, tag))

    monkeypatch.setattr(SpreadAppender, "_probe_at", ask)
    scripted = Scripted()
    appender = SpreadAppender(scripted.client, KEYS, tags=[LOW.strip("{}")])
    await look(scripted.client)
    b = cast("Any", scripted.b)
    await appender.probe_server(b)
    before = list(asked)
    await appender.probe_server(b, [HIGH.strip("{}")])
    await scripted.client.aclose()

    assert before == []
    assert asked == [(b, HIGH.strip("{}"))]


async def test_an_event_that_waited_for_the_map_finds_its_server_full(six: SixNodes) -> None:
    """Nothing is sent there, as for one that comes later."""
    client = connect(six.url, role="append")
    appender = SpreadAppender(client, KEYS, is_full_at=lambda _: True)

    with pytest.raises(StoreFull):
        await appender.append(make_identified("evt_1"))
    await appender.stop()
    await client.aclose()
