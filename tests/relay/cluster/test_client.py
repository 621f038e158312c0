"""Where a command goes in a cluster, and what becomes of it when the key is not there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.contract import cluster
from relay.contract.cluster import ClusterMoving, ClusterUnknown, client, slot_of_key, topology
from relay.contract.connect import send_command
from relay.contract.explain import explain
from tests.relay.cluster.scripted import HIGH, LOW, A, B, Scripted
from tests.waiting import wait_until

MOVED = f"{slot_of_key(LOW)} b:2"


@pytest.fixture
async def two(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scripted]:
    """Two servers whose map is known; nothing waits."""
    monkeypatch.setattr(client, "PAUSES", (0.0,) * 8)
    made = Scripted()
    await cluster.look(made.client)
    made.looks.clear()
    yield made
    await made.client.aclose()


async def ask(two: Scripted, *keys: str) -> list[Any]:
    """Ask for keys in a pipeline."""
    pipeline = two.client.pipeline(transaction=False)
    for key in keys:
        pipeline.get(key)
    return await pipeline.execute(raise_on_error=False)


async def test_each_command_goes_to_the_server_of_its_key(two: Scripted) -> None:
    """One after the other, and in a pipeline, whose replies keep their order."""
    assert await two.client.get(LOW) == "a"
    assert await two.client.get(HIGH) == "b"
    assert await ask(two, HIGH, LOW, LOW, HIGH) == ["b", "a", "a", "b"]
    assert cluster.address_of(cluster.at(two.client, LOW)) == A
    assert [cluster.address_of(node) for node in cluster.nodes(two.client)] == [A, B]
    assert two.looks == []


async def test_a_key_that_has_moved_is_followed_and_remembered(two: Scripted) -> None:
    """MOVED says that nothing was done: the command is sent on, and later ones go there at once."""
    two.a.answers = [MovedError(MOVED)]

    assert await two.client.set(LOW, 1) == "b"
    assert await two.client.get(LOW) == "b"
    assert len(two.a.sent) == 1
    await wait_until(
        lambda: bool(cluster.nodes(two.client) and two.looks), description="all are asked anew"
    )


async def test_in_a_pipeline_only_what_has_moved_is_sent_again(two: Scripted) -> None:
    """The other commands ran, and would run twice."""
    two.a.answers = ["first", MovedError(MOVED), "third"]

    assert await ask(two, LOW, LOW + "2", LOW + "3") == ["first", "b", "third"]
    assert two.b.sent == [("GET", LOW + "2")]


async def test_a_key_that_is_on_the_move_is_asked_for_once_elsewhere(two: Scripted) -> None:
    """ASK holds for one command: the next goes to the old server again."""
    two.a.answers = [AskError(MOVED), AskError(MOVED)]

    assert await two.client.get(LOW) == "b"
    assert two.b.sent == [("ASKING",), ("GET", LOW)]
    assert await two.client.get(LOW) == "a"


@pytest.mark.parametrize("error", [TryAgainError("later"), ClusterDownError("down")])
async def test_what_will_be_answered_later_is_sent_again(two: Scripted, error: Exception) -> None:
    """The server has done nothing, and says so."""
    two.a.answers = [error, error, "done"]

    assert await two.client.get(LOW) == "done"


async def test_the_following_has_an_end(two: Scripted) -> None:
    """Whoever asked is told that the store is away, so that it waits as for any outage."""
    two.a.answers = [TryAgainError("later")] * 100

    with pytest.raises(ClusterMoving):
        await two.client.get(LOW)

    assert len(two.a.sent) == 1 + len(client.PAUSES)
    assert issubclass(ClusterMoving, RedisConnectionError)


async def test_what_may_have_happened_is_not_sent_again(two: Scripted) -> None:
    """A lost connection is told to the caller, and the servers are asked who has the slot now."""
    two.a.is_away = True
    two.halves = [(0, 16383, B)]

    with pytest.raises(RedisConnectionError):
        await two.client.set(LOW, 1)
    assert two.b.sent == []
    await wait_until(
        lambda: cluster.address_of(cluster.at(two.client, LOW)) == B, description="it is learnt"
    )
    assert await two.client.set(LOW, 1) == "b"


async def test_a_lost_reply_is_told_though_the_server_answers_again(two: Scripted) -> None:
    """Only the caller knows whether a second time does harm."""
    two.a.answers = [RedisConnectionError("gone")]

    with pytest.raises(RedisConnectionError):
        await two.client.set(LOW, 1)

    assert two.a.sent == [("SET", LOW, 1)]


async def test_a_lost_server_fails_a_pipeline_after_the_others_have_answered(
    two: Scripted,
) -> None:
    """The whole is of unknown outcome; what went to the others was done."""
    two.a.is_away = True

    with pytest.raises(RedisConnectionError):
        await ask(two, LOW, HIGH)

    assert two.b.sent == [("GET", HIGH)]


@pytest.mark.parametrize("is_transaction", [False, True])
async def test_a_lost_server_is_named_to_who_typed_a_command(
    two: Scripted, *, is_transaction: bool
) -> None:
    """Else one that is away would pass for the whole cluster."""
    two.a.is_away = True
    pipeline = two.client.pipeline(transaction=is_transaction)
    pipeline.get(LOW)
    said = []
    for command in (pipeline.execute(), two.client.get(LOW)):
        with pytest.raises(RedisConnectionError) as raised:
            await command
        said.append(explain(raised.value))

    assert all(each and "cluster cannot be reached: a:1: " in each.message for each in said)


async def test_a_refusal_is_a_reply_or_is_raised(two: Scripted) -> None:
    """As with a single server."""
    two.a.answers = [ResponseError("WRONGTYPE"), ResponseError("WRONGTYPE")]

    (refused,) = await ask(two, LOW)
    pipeline = two.client.pipeline(transaction=False)
    pipeline.get(LOW)

    assert isinstance(refused, ResponseError)
    with pytest.raises(ResponseError):
        await pipeline.execute()


async def test_a_transaction_has_one_slot(two: Scripted) -> None:
    """It follows its slot as a whole; across slots it is refused before anything is sent."""
    two.a.answers = [MovedError(MOVED)]
    one, other = two.client.pipeline(), two.client.pipeline()
    one.get(LOW)
    one.get(LOW + "2")
    other.get(LOW)
    other.get(HIGH)

    assert await one.execute() == ["b", "b"]
    two.b.sent.clear()
    with pytest.raises(RedisClusterException):
        await other.execute()
    assert two.b.sent == []


async def test_what_each_server_answers_for_itself_is_not_asked_of_one(two: Scripted) -> None:
    """A part would pass for the whole; each can be asked by itself."""
    with pytest.raises(RedisClusterException):
        await two.client.dbsize()

    assert [await node.execute_command("DBSIZE") for node in cluster.nodes(two.client)] == [
        "a",
        "b",
    ]


async def test_a_server_that_hangs_does_not_keep_the_map_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next one is asked; later the one that failed comes last."""
    monkeypatch.setattr("random.sample", lambda some, _: list(some))
    made = Scripted()
    await cluster.look(made.client)
    made.silent = {A}
    made.looks.clear()
    await cluster.look(made.client)
    await cluster.look(made.client)

    assert made.looks == [A, B, B]


async def test_what_any_server_can_answer_is_asked_of_one_that_does(
    two: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first would be asked, though it may hang while all others are well."""
    monkeypatch.setattr("random.sample", lambda some, _: list(some)[::-1])
    await cluster.look(two.client)

    assert await send_command(two.client, "TIME") == "b"


async def test_a_server_that_is_cut_off_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on saying that it has its slots, though another has taken its place."""
    monkeypatch.setattr("random.sample", lambda some, _: list(some))
    monkeypatch.setattr(topology, "LOOK_AGAIN_SECONDS", 0.0)
    made = Scripted()
    await cluster.look(made.client)
    made.looks.clear()
    cluster.learn(made.client, cluster.at(made.client, LOW), ClusterDownError("down"))
    await cluster.look(made.client)

    assert made.looks[0] == B


async def test_without_a_map_nobody_says_where_a_key_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an outage; as soon as one answers, it is over."""
    monkeypatch.setattr(topology, "LOOK_AGAIN_SECONDS", 0.0)
    made = Scripted()
    made.silent = {A}

    with pytest.raises(ClusterUnknown):
        cluster.at(made.client, LOW)
    with pytest.raises(ClusterUnknown):
        await send_command(made.client, "GET", LOW)
    made.silent = set()
    assert await send_command(made.client, "GET", LOW) == "a"


async def test_a_slot_that_nobody_has_is_an_outage_of_its_keys_only() -> None:
    """The other slots are served on."""
    made = Scripted([(8192, 16383, B)])
    await cluster.look(made.client)

    with pytest.raises(ClusterUnknown):
        await send_command(made.client, "GET", LOW)
    assert await send_command(made.client, "GET", HIGH) == "b"


async def test_what_was_asked_over_is_closed_though_nobody_waits_any_more() -> None:
    """A client that is given up in the middle of a look leaves no connection open."""
    made = Scripted()
    made.may_close.clear()
    looking = asyncio.ensure_future(cluster.look(made.client))
    await wait_until(lambda: made.looks == [A], description="it was asked")

    looking.cancel()
    ending = asyncio.ensure_future(made.client.aclose())
    await asyncio.sleep(0)
    made.may_close.set()
    await ending

    assert made.closed == [A]


async def test_all_who_need_the_map_share_one_question() -> None:
    """A thousand events at the start are no thousand questions."""
    made = Scripted()

    await asyncio.gather(*[send_command(made.client, "GET", LOW) for _ in range(50)])

    assert made.looks == [A]
