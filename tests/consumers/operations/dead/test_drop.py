"""Removing dead letters for good."""

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.operations import insist as insisting
from consumers.operations.dead.books import Choice
from consumers.operations.dead.drop import drop
from consumers.operations.dead.plan import plan_drop
from consumers.operations.pace import Pace
from consumers.operations.progress import Progress
from consumers.operations.select import Selection
from relay.contract.connect import connect
from tests.consumers.making import GROUP, KEYS, full, numbered
from tests.consumers.operations.dead.setting_aside import (
    ids_again,
    left,
    letter_for,
    set_aside,
)
from tests.proxy import proxy_to
from tests.servers import Server

pytestmark = pytest.mark.redis


async def test_what_is_chosen_is_removed_and_nothing_else(store: Redis) -> None:
    """Of the group that is named, and given to nobody."""
    await set_aside(store, *(letter_for(each, {b"reason": b"poison"}) for each in numbered(3)))
    await set_aside(store, "other")
    await set_aside(store, letter_for("evt_0", {b"reason": b"poison"}), group="billing")
    choice = Choice(group=GROUP, selection=Selection(reason="poison"))
    plan = await plan_drop(store, KEYS, choice)
    result = await drop(store, KEYS, choice)

    assert (plan.letters, result.done) == (3, 3)
    assert (await left(store), await left(store, group="billing")) == (["other"], ["evt_0"])
    assert await ids_again(store) == []


async def test_what_no_handler_could_be_given_can_be_dropped(store: Redis) -> None:
    """It would stay for thirty days otherwise."""
    await set_aside(store, letter_for("bad", type="two words", data=b""))

    assert (await drop(store, KEYS, Choice())).done == 1


async def test_what_is_set_aside_meanwhile_stays(store: Redis) -> None:
    """Nobody has seen it yet."""
    await set_aside(store, *numbered(3))

    class Failing(Pace):
        async def wait(self) -> None:
            await set_aside(store, "new")

    result = await drop(store, KEYS, Choice(), pace=Failing(5))

    assert (await left(store), result.done) == (["new"] * 3, 3)


async def test_dropping_is_logged_in_one_line_of_counts(store: Redis) -> None:
    """With no id and nothing of an event."""
    await set_aside(store, *numbered(300))
    await set_aside(store, "evt_1", group="billing")
    with capture_logs() as logs:
        await drop(store, KEYS, Choice())

    assert logs == [
        {
            "event": "dead_letters_dropped",
            "log_level": "warning",
            "letters": 301,
            "groups": {GROUP: 300, "billing": 1},
        }
    ]


async def test_lost_replies_are_counted_once(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letters are gone when it is sent again, and were removed all the same."""
    monkeypatch.setattr(insisting, "FIRST_PAUSE_SECONDS", 0.001)
    await set_aside(store, *numbered(300))
    seen: list[Progress] = []
    async with proxy_to(server.port) as proxy:
        client = connect(proxy.url, role="test")
        proxy.lose_replies_to(b"XDEL", 2)
        result = await drop(client, KEYS, Choice(), report=seen.append)
        await client.aclose()

    assert proxy.lost == 2
    assert (await left(store), result.done) == ([], 300)
    assert seen[-1] == Progress(seen=300, done=300)


async def test_a_full_server_lets_letters_be_dropped(store: Redis) -> None:
    """That makes room."""
    await set_aside(store, *numbered(3))
    async with full(store):
        result = await drop(store, KEYS, Choice())

    assert (await left(store), result.done) == ([], 3)
