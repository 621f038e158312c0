"""Connections between gateway and store break, before the store has acted or after."""

import asyncio
import random

from tests.faults.scenario import Scenario
from tests.faults.town import APPEND, Playing, Town
from tests.waiting import wait_until

# Where in what flows to the store the cut lies.
CUT_BYTES = 20_000
# After this nobody waits for an answer any more.
SILENT_SECONDS = (0.5, 3.0)


async def request_lost(town: Town, chance: random.Random) -> None:
    """Cut a connection in the middle of a request: the store has not acted."""
    proxy = chance.choice(town.proxies)
    cuts = proxy.counted["cut"]
    proxy.cut_after(chance.randrange(1, CUT_BYTES), "to server", times=3)
    await wait_until(lambda: proxy.counted["cut"] >= cuts + 3, description="requests are cut")


async def reply_lost(town: Town, chance: random.Random) -> None:
    """End a connection in place of a reply: the store has acted."""
    proxy = chance.choice(town.proxies)
    lost, times = proxy.lost, chance.randrange(1, 4)
    proxy.lose_replies_to(APPEND, times)
    await wait_until(lambda: proxy.lost >= lost + times, description="replies are lost")


async def silent(town: Town, chance: random.Random) -> None:
    """Let a connection carry nothing any more, without an end: replies under way are gone."""
    proxy = chance.choice(town.proxies)
    passed = asyncio.Event()

    def swallow() -> None:
        passed.set()
        # The append itself has passed when the loop comes to this.
        asyncio.get_running_loop().call_soon(proxy.swallow)

    proxy.watch(APPEND, swallow)
    await wait_until(passed.is_set, description="an append passes")
    await asyncio.sleep(chance.uniform(*SILENT_SECONDS))


async def reset(town: Town, chance: random.Random) -> None:
    """Reset every connection to the store while an append is under way."""
    proxy = chance.choice(town.proxies)
    passed = asyncio.Event()
    proxy.watch(APPEND, passed.set)
    await wait_until(passed.is_set, description="an append passes")
    await asyncio.sleep(chance.uniform(0, 0.005))
    proxy.reset()


SCENARIOS = (
    Scenario(
        "request-lost",
        "a connection to the store is cut before it has acted",
        Playing(request_lost),
        rounds=15,
        short=2,
    ),
    Scenario(
        "reply-lost",
        "a connection to the store is cut after it has acted",
        Playing(reply_lost),
        rounds=15,
        short=3,
    ),
    Scenario(
        "link-silent",
        "the link to the store falls silent after it has acted",
        Playing(silent),
        rounds=8,
        short=1,
        servers=("valkey",),
    ),
    Scenario(
        "link-reset",
        "connections to the store are reset during an append",
        Playing(reset),
        rounds=10,
        servers=("valkey",),
    ),
)
