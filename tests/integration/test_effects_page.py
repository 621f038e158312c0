"""The handlers of the page on effects do what it says, on a real server."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.append import Appender
from tests.consumers.making import KEYS, dead_letters
from tests.consumers.working import running
from tests.making import make_identified
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "handle-effects-once.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@asynccontextmanager
async def at_work(store: Redis, server: Server, snippet: str) -> AsyncIterator[dict[str, Any]]:
    """Have a snippet's worker at work within the block; give the snippet's names."""
    await store.sadd(KEYS.tags, "shop")
    names: dict[str, Any] = {}
    exec(snippet, names)
    async with running(names["worker"], server.url):
        yield names


async def append(store: Redis, event_type: str, **bodies: bytes) -> None:
    """Append events of the endpoint ``shop``, one after the other: id and body of each."""
    appender = Appender(store, KEYS)
    for event_id, data in bodies.items():
        await appender.append(make_identified(event_id, event_type, data=data, tag="shop"))
    await appender.stop()


async def test_the_step_of_the_page_charges_once(
    store: Redis, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mail that was broken off is not sent again, and nobody is charged twice."""
    charged: list[str] = []
    await append(store, "order.placed", evt_0=b'{"id": "o0"}')
    async with at_work(store, server, SNIPPETS[0]) as names:
        await wait_until(lambda: "o0 receipt for o0" in capsys.readouterr().out, description="mail")
        original = names["charge"]

        async def charge(order: dict[str, Any], key: str) -> Any:
            charged.append(key)
            return await original(order, key)

        async def broken(order: dict[str, Any], receipt: str) -> None:
            raise TimeoutError

        names["charge"], send_mail = charge, names["send_mail"]
        await append(store, "order.placed", evt_1=b'{"id": "o1"}')
        await wait_until(lambda: "o1 receipt for o1" in capsys.readouterr().out, description="mail")
        names["send_mail"] = broken
        await append(store, "order.placed", evt_2=b'{"id": "o2"}')

        async def given_up() -> bool:
            return bool(await dead_letters(store, "shop", "billing"))

        await wait_until(given_up, description="the second order is set aside")
        names["send_mail"] = send_mail
        letters = await dead_letters(store, "shop", "billing")

    assert [letter[b"reason"] for letter in letters] == [b"outcome_unknown"]
    assert b"HDEL relay:{shop}@once:billing:" in letters[0][b"lasterror"]
    assert len(charged) == len(set(charged)) == 2


async def test_the_commit_of_the_page_keeps_a_balance(store: Redis, server: Server) -> None:
    """What would overdraw it changes nothing."""
    balance = KEYS.effects("shop", "ledger", "balance:None")
    await append(store, "payment.in", evt_1=b'{"cents": 700}', evt_2=b'{"cents": -200}')
    async with at_work(store, server, SNIPPETS[1]):

        async def booked() -> bool:
            return await store.get(balance) == b"500"

        await wait_until(booked, description="both are booked")
        await append(store, "payment.in", evt_3=b'{"cents": -501}')

        async def refused() -> bool:
            return bool(await store.hlen(KEYS.attempts("shop", "ledger")))

        await wait_until(refused, description="the third has failed")

    assert await store.get(balance) == b"500"
