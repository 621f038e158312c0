"""The group that watches accounts, as processes that are killed while they work."""

import asyncio
import random
from pathlib import Path

import pytest
from redis.asyncio import Redis

from consumers.unipile.account_gaps.worker import GROUP
from relay.append import Appender
from relay.commands.unipile.account_books import Account, read_accounts
from relay.contract.accounts import GAP_TYPE
from relay.contract.connect import text_of
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import tag_of, tags_of
from tests.conftest import StartServer
from tests.consumers.unipile.accounts_model import (
    DOWN,
    OTHER,
    PRODUCTS,
    UP,
    Interval,
    Told,
    gaps_of,
    is_covered,
    status_of,
)
from tests.consumers.unipile.watching import KEYS, announced, ids, intervals
from tests.e2e.killing import QUICKLY, client_of
from tests.programs import worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

ENDPOINT, PARTITIONS = "unipile", 3
ACCOUNTS = [f"acc_{number}" for number in range(1000)]
HANDLERS = f"""
{QUICKLY}
from consumers.unipile import gaps as worker
"""


def histories(chance: random.Random, accounts: list[str]) -> dict[str, list[Told]]:
    """Give each account what befalls it: repeated, and in no order."""
    statuses = [UP, UP, *DOWN, *OTHER]
    found = {}
    for account in accounts:
        ups = [Told(account, chance.randrange(60), UP)]
        own = [
            Told(account, chance.randrange(60), status, chance.choice(PRODUCTS))
            for status in chance.choices(statuses, k=chance.randrange(1, 6))
            if status != UP
        ]
        own += ups
        found[account] = chance.choices(own, k=1) + own
    return found


async def append_all(store: Redis, told: list[Told], first: int = 0) -> None:
    """Store what is told, each under an id of its own, as gateways do; ids count from the first."""
    await store.sadd(KEYS.tags, *tags_of(ENDPOINT, PARTITIONS))
    appender = Appender(store, KEYS)
    appends = []
    for number, each in enumerate(told, first):
        event = each.event(f"evt_{number}")
        appends.append(
            appender.append(
                IdentifiedEvent(
                    event=event,
                    tag=tag_of(ENDPOINT, PARTITIONS, each.account),
                    identity=event.id.encode(),
                    window_seconds=3600,
                )
            )
        )
    await asyncio.gather(*appends)
    await appender.stop()


async def unsettled(store: Redis) -> int:
    """Say how many entries the group has not settled."""
    left = 0
    for tag in tags_of(ENDPOINT, PARTITIONS):
        for name in map(text_of, await store.hkeys(KEYS.streams(tag))):
            if name == GAP_TYPE:
                continue
            key = KEYS.stream(tag, name)
            (newest,) = await store.xrevrange(key, count=1) or [(b"", {})]
            groups = {text_of(group["name"]): group for group in await store.xinfo_groups(key)}
            found = groups.get(GROUP)
            if found is None or text_of(found["last-delivered-id"]) != text_of(newest[0] or b""):
                return 1_000_000
            left += int(found["pending"])
    return left


async def until_settled(store: Redis) -> None:
    """Wait until the group has nothing left to do."""

    async def is_so() -> bool:
        return await unsettled(store) == 0

    await wait_until(is_so, deadline_seconds=90.0, description="everything is settled")


async def wrong_accounts(store: Redis, lived: dict[str, list[Told]]) -> list[str]:
    """Name the accounts of which the store does not say what the model says."""
    said: dict[str, set[Interval]] = {}
    for tag in tags_of(ENDPOINT, PARTITIONS):
        said |= intervals(await announced(store, tag))
    found = await read_accounts(store, KEYS, tags_of(ENDPOINT, PARTITIONS))
    assert {each.name for each in found.accounts} == lived.keys()
    return [each.name for each in found.accounts if not is_right(each, lived, said)]


def is_right(
    account: Account, lived: dict[str, list[Told]], said: dict[str, set[Interval]]
) -> bool:
    """Tell whether the books, and what was announced, are as the model has them."""
    told, status = lived[account.name], account.status
    wanted = gaps_of(told)
    return (
        {(gap.product, gap.opened, gap.closed) for gap in account.gaps} == wanted
        and all(gap.announced for gap in account.gaps)
        and (status.status, status.product) == status_of(told)
        and all(is_covered(gap, said.get(account.name, ())) for gap in wanted)
    )


def taken(server: Server) -> int:
    """Say how many accounts have a status."""
    with server.client() as client:
        keys = [KEYS.accounts(tag) for tag in tags_of(ENDPOINT, PARTITIONS)]
        return sum(int(client.hlen(key)) for key in keys)


async def test_killed_workers_keep_a_thousand_accounts_as_the_model_does(
    tmp_path: Path, start_server: StartServer
) -> None:
    """Statuses come in any order, workers are killed in the middle and others go on."""
    server = start_server("valkey", "none")
    chance = random.Random(seed := random.randrange(2**32))
    (tmp_path / "handlers.py").write_text(HANDLERS)
    lived = histories(chance, ACCOUNTS)
    told = [each for own in lived.values() for each in own]
    chance.shuffle(told)
    half = len(told) // 2
    async with client_of(server) as store:
        await append_all(store, told[:half])
        with (
            worker(tmp_path, server.url, "handlers:worker", name="one") as one,
            worker(tmp_path, server.url, "handlers:worker", name="two") as two,
        ):
            await wait_until(lambda: taken(server) >= 100, description="some are taken")
            one.kill()
            await append_all(store, told[half:], half)
            two.kill()
        unfinished = await unsettled(store)
        with worker(tmp_path, server.url, "handlers:worker", name="three"):
            await until_settled(store)
        found = [each for tag in tags_of(ENDPOINT, PARTITIONS) for each in await ids(store, tag)]

        assert await wrong_accounts(store, lived) == [], f"seed {seed}"
    assert unfinished > 0
    assert len(found) == len(set(found))


async def test_the_command_runs_it_in_processes_with_the_store_that_it_is_told(
    tmp_path: Path, start_server: StartServer
) -> None:
    """An option wins over the environment, for what the group opens itself too."""
    server: Server = start_server("valkey", "none")
    told = [Told("acc_1", 10, "disconnected"), Told("acc_1", 20, UP)]
    async with client_of(server) as store:
        await append_all(store, told)
        options = ("--processes", "2", "--redis-url", server.url)
        nowhere = "redis://127.0.0.1:1/0"
        with worker(tmp_path, nowhere, "consumers.unipile:gaps", *options) as program:
            try:
                await until_settled(store)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{program.output()[-2000:]}") from error
            code = await asyncio.to_thread(program.terminate)

        assert await wrong_accounts(store, {"acc_1": told}) == []
    assert code == 0
