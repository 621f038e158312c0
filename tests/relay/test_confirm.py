"""How long replicas are waited for."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from relay.append.confirm import Confirming
from relay.contract.keys import Keys

if TYPE_CHECKING:
    from relay.contract.wire import Wire


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
