"""Effect and acknowledgement in one step: both happen, or neither."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers import LeaseLost, persist
from consumers.effects import commit as effects
from relay.contract.connect import ResponseError
from tests.consumers.effecting import COUNT_UP, ReplyLost, effects_of, event_of, given_to_another
from tests.consumers.making import GROUP, KEYS, TAG, full, histories, pending
from tests.consumers.settling import Scene

pytestmark = pytest.mark.redis

BALANCE = KEYS.effects(TAG, GROUP, "balance")


async def balance(store: Redis) -> int:
    """Say what was counted."""
    return int(await store.get(BALANCE) or 0)


async def count_up(scene: Scene, script: str = COUNT_UP) -> Any:
    """Commit with an effect on the balance."""
    event = event_of(scene)
    return await event.commit(script, [event.key("balance")], [5])


async def test_the_effect_and_the_acknowledgement_are_one_step(scene: Scene) -> None:
    """The books of the entry go with it, and the script's reply comes back."""
    name = scene.entry.member
    await scene.store.hset(KEYS.attempts(TAG, GROUP), name, "{}")
    await scene.store.hset(KEYS.strikes(TAG, GROUP), name, "1")

    assert await count_up(scene) == 5
    assert await balance(scene.store) == 5
    assert await pending(scene.store) == {}
    assert await histories(scene.store) == {}
    assert not await scene.store.exists(KEYS.strikes(TAG, GROUP))


async def test_the_script_sees_its_own_keys_and_arguments_only(scene: Scene) -> None:
    """As if it ran by itself."""
    event = event_of(scene)
    keys = [event.key("a"), event.key("b")]
    reply = await event.commit("return { #KEYS, KEYS[2], #ARGV, ARGV[1] } -- the end", keys, ["x"])

    assert reply == [2, keys[1].encode(), 1, b"x"]


@pytest.mark.parametrize(
    ("script", "reply"),
    [
        ("", None),
        ("return nil", None),
        ("return false", None),
        ("return 7", 7),
        ("return 'text'", b"text"),
        ("return redis.status_reply('FINE')", b"FINE"),
        ("return { 1, { 'a' } }", [1, [b"a"]]),
        ("if true then return 3 end", 3),
    ],
)
async def test_any_reply_comes_back_also_where_it_was_lost_first(
    scene: Scene, script: str, reply: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call of the same commit finds the first, runs nothing, and answers the same."""
    monkeypatch.setattr(persist, "FIRST_PAUSE_SECONDS", 0.0)
    with_commit, sent = effects._with_commit, []

    def lossy(text: str) -> ReplyLost:
        sent.append(ReplyLost(with_commit(text)))
        return sent[-1]

    monkeypatch.setattr(effects, "_with_commit", lossy)
    event = event_of(scene)
    counting = f"redis.call('INCR', KEYS[1])\n{script}"
    found = await event.commit(counting, [event.key("balance")])

    assert found == reply
    assert sent[0].calls == 2
    assert await balance(scene.store) == 1


async def test_nothing_runs_after_the_entry_was_taken_over(scene: Scene) -> None:
    """The other worker's commit counts."""
    await given_to_another(scene.store, scene.entry.entry_id)
    with pytest.raises(LeaseLost):
        await count_up(scene)

    assert await balance(scene.store) == 0
    assert await pending(scene.store) == {scene.entry.entry_id: "other"}


async def test_nothing_runs_for_an_entry_that_is_settled(scene: Scene) -> None:
    """A second run of an event that is done changes nothing."""
    await count_up(scene)
    with pytest.raises(LeaseLost):
        await count_up(scene)

    assert await balance(scene.store) == 5


async def test_a_second_commit_in_one_run_is_an_error(scene: Scene) -> None:
    """All effects belong into one script."""
    event = event_of(scene)
    await event.commit("return 1")
    with pytest.raises(RuntimeError, match="committed already"):
        await event.commit("return 1")


@pytest.mark.parametrize(
    "script",
    [
        "return redis.error_reply('NOFUNDS')",
        "error('NOFUNDS')",
        "return redis.call('LPUSH', KEYS[1], 'NOFUNDS', {})",
        "this is no Lua: NOFUNDS",
    ],
)
async def test_an_effect_that_fails_leaves_the_entry_pending(scene: Scene, script: str) -> None:
    """The handler hears of it, and the event is tried again."""
    run = effects_of(scene)
    event = event_of(scene, run)
    with pytest.raises(ResponseError):
        await event.commit(script, [event.key("balance")])

    assert not run.committed
    assert await pending(scene.store) == {scene.entry.entry_id: "us"}


async def test_a_commit_passes_on_a_full_server(scene: Scene) -> None:
    """An effect that only writes would be refused by it."""
    async with full(scene.store), asyncio.timeout(10):
        assert await count_up(scene) == 5

    assert await pending(scene.store) == {}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("balance", "another slot"),
        ("mine:{github}:balance", "another slot"),
        ("relay:{unipile}:message.new", "relay's own"),
        ("relay:{unipile}@attempts:crm", "relay's own"),
        ("relay:{unipile}@effects:billing:balance", "another group's"),
    ],
)
async def test_keys_that_a_commit_may_not_touch_are_refused(
    scene: Scene, key: str, why: str
) -> None:
    """In a cluster it could not, and the relay's books are its own."""
    with pytest.raises(ValueError, match=why):
        await event_of(scene).commit("return 1", [key])

    assert await pending(scene.store) == {scene.entry.entry_id: "us"}


@pytest.mark.parametrize("arg", [None, True, ["a"]], ids=["none", "bool", "list"])
async def test_an_argument_that_cannot_be_sent_is_refused_at_once(scene: Scene, arg: Any) -> None:
    """Taken for a store that is away, it would be tried to the end of the handler's time."""
    async with asyncio.timeout(10):
        with pytest.raises(TypeError, match="a text, bytes or a number"):
            await event_of(scene).commit("return 1", [], [arg])

    assert await pending(scene.store) == {scene.entry.entry_id: "us"}


async def test_a_key_of_the_users_own_with_the_same_tag_is_taken(scene: Scene) -> None:
    """It lies in the same slot."""
    key = "mine:{unipile}:balance"
    await event_of(scene).commit("redis.call('SET', KEYS[1], 1, 'EX', 60)", [key])

    assert await scene.store.get(key) == b"1"


async def test_books_of_another_type_stop_it_before_the_effect(scene: Scene) -> None:
    """A script must not stop half-way."""
    await scene.store.set(KEYS.strikes(TAG, GROUP), "x", ex=60)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await count_up(scene)

    assert await balance(scene.store) == 0
    assert await pending(scene.store) == {scene.entry.entry_id: "us"}
