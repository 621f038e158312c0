"""How long replicas are waited for, and over which connection."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from relay.append.confirm import FENCE, Confirming
from relay.append.script import SCRIPT, call_arguments, pack
from relay.contract.connect import UNKNOWN_OUTCOME
from relay.contract.keys import Keys
from relay.contract.wire import Command, Wire
from tests.making import make_identified

KEYS = Keys()


@pytest.mark.parametrize(
    ("limit_seconds", "left_seconds", "wait_ms"),
    [
        (2.0, 10.0, 1800),  # the answer comes before the exchange is given up
        (0.2, 10.0, 100),  # a short limit leaves half of it
        (2.0, 0.5, 500),  # nobody waits for longer than the newest event
        (2.0, -1.0, 1),  # 0 would mean without end
    ],
)
async def test_the_wait_ends_before_its_exchange_and_with_the_events(
    limit_seconds: float, left_seconds: float, wait_ms: int
) -> None:
    """Too few replicas are told as such, over a connection that stands."""
    wire = cast("Wire", SimpleNamespace(limit_seconds=limit_seconds))
    ends_at = asyncio.get_running_loop().time() + left_seconds

    name, replicas, ms = Confirming(wire, Keys(), 2)._wait(ends_at)

    assert (name, replicas) == ("WAIT", 2)
    assert wait_ms - 50 <= int(ms) <= wait_ms


class Unsteady(Wire):
    """Loses its connection after each exchange, and would take another one for the next."""

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Exchange once."""
        replies = await super().exchange(commands)
        await self.close()
        return replies


@pytest.mark.redis
@pytest.mark.parametrize("is_known", [True, False])
async def test_nothing_is_waited_for_over_another_connection(store: Redis, is_known: bool) -> None:  # noqa: FBT001 - a parameter
    """Neither for the fence behind a duplicate, nor for a script that the server did not know."""
    call = call_arguments("unipile", [pack(make_identified("evt_1"), KEYS)], KEYS)
    await FENCE(store, [KEYS.fence("other")], 1000)
    if is_known:
        await SCRIPT(store, call[0], *call[1])
    else:
        await store.script_flush()
    confirming = Confirming(Unsteady(store), KEYS, 0)
    with pytest.raises(UNKNOWN_OUTCOME):
        await confirming.store({"unipile": call}, asyncio.get_running_loop().time() + 2)

    assert not await store.exists(KEYS.fence("unipile"))
    assert await store.exists(KEYS.stream("unipile", "message.new")) == is_known
