"""Giving dead letters back to their group."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, GiveUp, Worker
from consumers.operations import insist as insisting
from consumers.operations.dead import redrive as module
from consumers.operations.dead.books import Choice
from consumers.operations.dead.plan import plan_redrive
from consumers.operations.dead.redrive import redrive
from consumers.operations.pace import Pace
from consumers.operations.progress import Progress
from consumers.operations.select import LAST_ID, Selection
from relay.contract.cluster import at
from relay.contract.connect import RedisError, connect, text_of
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    dead_letters,
    fields_for,
    full,
    numbered,
)
from tests.consumers.operations.dead.setting_aside import (
    ADDED,
    given_again,
    ids_again,
    left,
    letter_for,
    register,
    set_aside,
)
from tests.consumers.working import running
from tests.integration.workers import Handled
from tests.proxy import proxy_to
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

# Where the entry stood at first is still told.
OWN = {b"entryid": b"5-0"}


async def test_a_letter_is_given_again_as_the_event_that_it_was(store: Redis) -> None:
    """What happened to it is forgotten, so that it has all its attempts again."""
    await set_aside(store, letter_for("evt_1", data=b"body", account="acc_1"))
    result = await redrive(store, KEYS, Choice())

    event = fields_for("evt_1", data=b"body", account="acc_1")
    assert await given_again(store) == [event | OWN]
    assert await left(store) == []
    assert (result.done, dict(result.by_group), result.named) == (1, {GROUP: 1}, ())


async def test_fields_of_the_events_own_that_are_named_as_what_is_added_stay(
    store: Redis,
) -> None:
    """An event that could not be identified has a reason of its own."""
    flat: Any = [part for pair in fields_for("evt_1").items() for part in pair]
    own = [b"firsterror", b"own", b"reason", b"no_type", b"lasterror", b"own"]
    added: list[Any] = [part for pair in ADDED.items() for part in pair]
    await set_aside(store, "evt_0")
    await store.execute_command("XADD", KEYS.dead(TAG, GROUP), "*", *flat, *own, *added[:8])
    await redrive(store, KEYS, Choice())

    assert (await given_again(store))[1] == fields_for("evt_1") | OWN | {
        b"firsterror": b"own",
        b"reason": b"no_type",
        b"lasterror": b"own",
    }


async def test_only_the_group_itself_is_given_its_letters(store: Redis) -> None:
    """Another group with a letter of the same event keeps it."""
    await set_aside(store, "evt_1")
    await set_aside(store, "evt_1", group="billing")
    result = await redrive(store, KEYS, Choice(group=GROUP))

    assert (await left(store), await left(store, group="billing")) == ([], ["evt_1"])
    assert await ids_again(store) == ["evt_1"]
    assert await ids_again(store, group="billing") == []
    (group,) = await store.xinfo_groups(KEYS.again(TAG, GROUP, TYPE))
    assert (text_of(group["name"]), text_of(group["last-delivered-id"])) == (GROUP, "0-0")
    assert dict(result.by_group) == {GROUP: 1}


async def test_letters_keep_their_order_and_their_types(store: Redis) -> None:
    """The oldest is given again first, each in the stream of its type."""
    await register(store, ["a", "b"])
    letters = [letter_for(f"evt_{n}", type="ab"[n % 2]) for n in range(200)]
    await set_aside(store, *letters)
    result = await redrive(store, KEYS, Choice())

    assert await ids_again(store, event_type="a") == [f"evt_{n}" for n in range(0, 200, 2)]
    assert await ids_again(store, event_type="b") == [f"evt_{n}" for n in range(1, 200, 2)]
    assert result.done == 200


async def test_a_letter_with_the_last_possible_id_is_moved(store: Redis) -> None:
    """A server refuses to look behind it."""
    await set_aside(store, "evt_1", group="billing")
    await store.xadd(KEYS.dead(TAG, GROUP), letter_for("evt_2"), id=LAST_ID)
    await store.hset(KEYS.groups(TAG), GROUP, '1 ["*:*"]')
    plan = await plan_redrive(store, KEYS, Choice(group=GROUP))
    result = await redrive(store, KEYS, Choice(group=GROUP))

    assert (plan.letters, result.done) == (1, 1)
    assert await ids_again(store) == ["evt_2"]


async def test_only_what_is_chosen_is_moved(store: Redis) -> None:
    """Up to the limit, oldest first."""
    ids = numbered(20)
    await set_aside(store, *(letter_for(each, {b"reason": b"poison"}) for each in ids[:10]))
    await set_aside(store, *ids[10:])
    choice = Choice(selection=Selection(reason="poison"), limit=3)
    result = await redrive(store, KEYS, choice)

    assert await ids_again(store) == ids[:3]
    assert (await left(store), result.done) == (ids[3:], 3)


async def test_what_cannot_be_handled_is_named_and_the_rest_goes_on(store: Redis) -> None:
    """A letter stays where no handler could be given it."""
    many = {f"f{number}".encode(): b"x" for number in range(5000)}
    await set_aside(
        store,
        letter_for("bad", type="two words"),
        letter_for("unknown", type="never.seen"),
        letter_for("unreadable", {b"relayversion": b"2"}),
        letter_for("large") | many,
        {name: value for name, value in letter_for("no-body").items() if name != b"data"},
        "evt_1",
    )
    result = await redrive(store, KEYS, Choice())
    named = {letter.text("id"): problem for letter, problem in result.named}

    assert await ids_again(store) == ["evt_1"]
    assert named == {
        "bad": "invalid_type",
        "unknown": "unknown_type",
        "unreadable": "unreadable",
        "large": "too_many_fields",
        "no-body": "unreadable",
    }
    assert dict(result.left) == dict.fromkeys(named.values(), 1) | {"unreadable": 2}
    assert len(await left(store)) == 5


async def test_a_letter_with_more_fields_than_a_step_can_write_stays_whoever_finds_out(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step itself looks as well, before it writes anything of the letter."""
    monkeypatch.setattr("consumers.operations.dead.fit.MOST_FIELDS", 10**6)
    many = {f"f{number}".encode(): b"x" for number in range(5000)}
    await set_aside(store, letter_for("large") | many, "evt_1")
    result = await redrive(store, KEYS, Choice())

    assert (await ids_again(store), await left(store)) == (["evt_1"], ["large"])
    assert [problem for _, problem in result.named] == ["too_many_fields"]


async def test_a_key_of_a_wrong_type_stands_in_the_way_of_its_type_only(store: Redis) -> None:
    """Nothing of those letters is lost."""
    await register(store, ["other"])
    await set_aside(store, "evt_1", letter_for("evt_2", type="other"))
    await store.set(KEYS.again(TAG, GROUP, TYPE), "1", px=60_000)
    result = await redrive(store, KEYS, Choice())

    assert (await left(store), result.done) == (["evt_1"], 1)
    assert [problem for _, problem in result.named] == ["wrong_key"]


async def test_what_fails_again_meanwhile_is_not_met_again(store: Redis) -> None:
    """It is newer than what there was at the start."""
    await set_aside(store, *numbered(3))

    class Failing(Pace):
        async def wait(self) -> None:
            await set_aside(store, "evt_0")

    result = await redrive(store, KEYS, Choice(), pace=Failing(5))

    assert await ids_again(store) == numbered(3)
    assert (await left(store), result.done) == (["evt_0"] * 3, 3)


async def test_a_run_that_goes_on_leaves_what_has_failed_again(store: Redis) -> None:
    """With the bound that the plan of the first run gave."""
    await set_aside(store, *numbered(5))
    plan = await plan_redrive(store, KEYS, Choice())
    await redrive(store, KEYS, Choice(limit=2))
    await set_aside(store, "evt_0")
    bounded = Choice(selection=Selection(until=plan.until or ""))
    result = await redrive(store, KEYS, bounded)

    assert (await left(store), result.done) == (["evt_0"], 3)
    assert await ids_again(store) == numbered(5)


async def test_lost_replies_move_nothing_twice_and_are_counted_once(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is sent again, and finds its letters moved."""
    monkeypatch.setattr(insisting, "FIRST_PAUSE_SECONDS", 0.001)
    await set_aside(store, *numbered(150))
    await redrive(store, KEYS, Choice(limit=1))
    seen: list[Progress] = []
    async with proxy_to(server.port) as proxy:
        client = connect(proxy.url, role="test")

        class Losing(Pace):
            async def wait(self) -> None:
                proxy.lose_replies_to(b"EVALSHA", 2)

        result = await redrive(client, KEYS, Choice(), pace=Losing(None), report=seen.append)
        await client.aclose()

    assert proxy.lost >= 4
    assert await ids_again(store) == numbered(150)
    assert (await left(store), result.done, result.left) == ([], 149, {})
    assert seen[-1] == Progress(seen=149, done=149, left=0)


async def test_a_store_that_stays_away_ends_the_run_with_what_was_done_kept(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while a person would rather know; the log has what was done."""
    monkeypatch.setattr(insisting, "GIVE_UP_SECONDS", 0.01)
    await set_aside(store, *numbered(100))
    client = connect("redis://127.0.0.1:1/0", role="test")
    calls = 0

    class Leaving(Pace):
        async def wait(self) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                server = at(store, KEYS.streams(TAG))
                monkeypatch.setattr(server, "connection_pool", client.connection_pool)

    with capture_logs() as logs, pytest.raises(RedisError):
        await redrive(store, KEYS, Choice(), pace=Leaving(None))
    monkeypatch.undo()

    assert logs == [
        {
            "event": "dead_letters_redriven",
            "log_level": "info",
            "letters": 64,
            "groups": {GROUP: 64},
        }
    ]
    assert (len(await left(store)), len(await ids_again(store))) == (36, 64)


async def test_a_run_that_is_cancelled_leaves_each_letter_in_one_place(store: Redis) -> None:
    """Whatever it was doing at that moment; begun again it does the rest."""
    await set_aside(store, *numbered(300))
    for turns in range(0, 60, 3):
        run = asyncio.create_task(redrive(store, KEYS, Choice(), pace=Pace(5000)))
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait({run})

        assert sorted(await left(store) + await ids_again(store)) == sorted(numbered(300))
    await redrive(store, KEYS, Choice())

    assert sorted(await ids_again(store)) == sorted(numbered(300))


async def test_two_runs_at_once_move_each_letter_once(store: Redis) -> None:
    """What the other has moved is named as gone, or not met at all."""
    await set_aside(store, *numbered(500))
    results = await asyncio.gather(*(redrive(store, KEYS, Choice()) for _ in range(2)))

    assert sorted(await ids_again(store)) == sorted(numbered(500))
    assert sum(result.done for result in results) == 500


async def test_a_full_server_lets_letters_be_given_again(store: Redis) -> None:
    """They take no more room where they go than where they were."""
    await set_aside(store, "evt_1")
    async with full(store):
        result = await redrive(store, KEYS, Choice())

    assert (await ids_again(store), result.done) == (["evt_1"], 1)


async def test_one_call_moves_no_more_than_its_share_of_bytes(store: Redis) -> None:
    """No call keeps the server long, however large the letters are."""
    await set_aside(store, *(letter_for(each, data=b"x" * 100_000) for each in numbered(12)))
    await store.config_resetstat()
    result = await redrive(store, KEYS, Choice())
    statistics: Any = await store.info("commandstats")

    assert result.done == 12
    assert statistics["cmdstat_evalsha"]["calls"] >= 8


async def test_a_call_ends_with_the_letter_that_exceeds_its_bytes(store: Redis) -> None:
    """The next call goes on with those behind it, and what was moved is not moved again."""
    ids = await set_aside(store, *numbered(3))
    keys = [KEYS.dead(TAG, GROUP), KEYS.again(TAG, GROUP, TYPE)]

    assert await module._redrive(store, keys, GROUP, 1, *ids) == [[1], 1]
    assert await module._redrive(store, keys, GROUP, 1, *ids) == [[0, 1], 0]
    assert await module._redrive(store, keys, GROUP, 10**6, *ids) == [[0, 0, 1], 0]


async def test_the_readers_are_told_that_there_is_something_to_read(store: Redis) -> None:
    """Once for each stream, though its group may have been made already."""
    await set_aside(store, *numbered(200))
    await redrive(store, KEYS, Choice())
    told: Any = await store.xrange(KEYS.control)

    assert [fields for _, fields in told] == [
        {b"what": b"again", b"tag": TAG.encode(), b"type": TYPE.encode(), b"group": GROUP.encode()}
    ]


async def test_a_plan_says_how_many_and_which_and_writes_nothing(store: Redis) -> None:
    """By group, type and reason, with the first few, and those that would be left."""
    await register(store, ["other"])
    await set_aside(store, *numbered(7))
    await set_aside(store, letter_for("x", type="other"), group="billing")
    ids = await set_aside(store, letter_for("bad", type="two words"))
    before = await store.xlen(KEYS.dead(TAG, GROUP)), sorted(await store.keys())
    plan = await plan_redrive(store, KEYS, Choice())

    assert [
        (part.tag, part.group, part.event_type, part.reason, part.letters) for part in plan.parts
    ] == [
        (TAG, GROUP, TYPE, "attempts_spent", 7),
        (TAG, "billing", "other", "attempts_spent", 1),
    ]
    assert (plan.letters, plan.left, plan.until) == (8, [("invalid_type", 1)], ids[-1])
    assert [letter.fields[b"data"] for letter in plan.first] == [b""] * 5
    assert (await store.xlen(KEYS.dead(TAG, GROUP)), sorted(await store.keys())) == before


async def test_a_plan_keeps_to_the_limit_and_the_given_bound(store: Redis) -> None:
    """As the run would."""
    ids = await set_aside(store, *numbered(10))
    limited = await plan_redrive(store, KEYS, Choice(limit=4))
    bounded = await plan_redrive(store, KEYS, Choice(selection=Selection(until=ids[2])))

    assert (limited.letters, limited.until) == (4, ids[-1])
    assert (bounded.letters, bounded.until) == (3, ids[2])


async def test_nothing_is_planned_where_nothing_is(store: Redis) -> None:
    """No bound either."""
    plan = await plan_redrive(store, KEYS, Choice())

    assert (plan.letters, plan.until, plan.parts) == (0, None, [])


async def test_a_worker_handles_what_is_redriven_as_new(server: Server, store: Redis) -> None:
    """From the first attempt on; what fails again is set aside again."""
    worker = Worker(group=GROUP)
    handled = Handled(worker)

    @worker.on(f"{TAG}:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_1":
            raise GiveUp("again")

    await append_events(store, ["first"])
    await set_aside(store, *numbered(3))
    async with running(worker, server.url):
        await handled.until("first")
        await redrive(store, KEYS, Choice())
        await handled.until(*numbered(3))

        async def again() -> bool:
            return len(await dead_letters(store)) == 1

        await wait_until(again, description="one is set aside again")
        (letter,) = await dead_letters(store)

    assert [event.attempt for event in handled.events] == [1] * 4
    assert (letter[b"id"], letter[b"attempts"], letter[b"entryid"]) == (b"evt_1", b"1", b"5-0")
