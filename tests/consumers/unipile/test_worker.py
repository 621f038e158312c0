"""The group that watches accounts, as a worker runs it."""

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.unipile import gaps
from consumers.unipile.account_gaps.worker import GROUP
from relay.contract import event as contract
from tests.consumers.making import dead_letters
from tests.consumers.unipile.accounts_model import Told, moment
from tests.consumers.unipile.watching import (
    KEYS,
    announced,
    intervals,
    status_in,
    store_statuses,
    until_announced,
)
from tests.consumers.working import running
from tests.servers import Server
from tests.waiting import wait_until

DOWN, UP = Told("acc_1", 10, "disconnected"), Told("acc_1", 20, "running")


def wrapped(told: Told, word: str) -> contract.Event:
    """Make the event of a status as version 1 sends it, with a type of version 2."""
    data = b'{"AccountStatus":{"account_id":"acc_1","account_type":"MOCK","message":"%s"}}'
    return replace(told.event(f"v1_{word}"), data=data % word.encode(), time=None)


@pytest.mark.redis
async def test_each_partition_keeps_its_own_accounts(server: Server, store: Redis) -> None:
    """Books and events lie beside the events that told of them."""
    for tag in ("mail#0", "mail#3", "unipile"):
        await store_statuses(store, tag, DOWN.event("evt_1"), UP.event("evt_2"))
    async with running(gaps, server.url):
        for tag in ("mail#0", "mail#3", "unipile"):
            await until_announced(store, tag)
    found = await announced(store, "mail#3")

    assert [event.source for event in found] == ["/webhooks/mail"]
    assert intervals(found) == {"acc_1": {(None, moment(10), moment(20))}}
    assert not await store.exists(KEYS.gaps("mail"))


@pytest.mark.redis
async def test_version_1_unknown_statuses_and_removals_are_taken(
    server: Server, store: Redis
) -> None:
    """A status that nobody knows is kept; what names no account is said, and nothing fails."""
    nobody = Told("acc_1", 15, "disconnected").event("evt_2", account=None)
    unproved = Told("acc_2", 15, "disconnected").event("evt_3", assurance="none")
    gone = Told("acc_3", 15, "connecting").event("evt_4", type="account.remove")
    odd = Told("acc_4", 15, "something-new").event("evt_5", data=b"no JSON")
    first = [wrapped(DOWN, "CREDENTIALS"), nobody, unproved, gone, odd]
    await store_statuses(store, "unipile", *first, wrapped(UP, "OK"))
    with capture_logs() as said:
        async with running(gaps, server.url):
            await until_announced(store, "unipile")

            async def all_are_taken() -> bool:
                return await store.hlen(KEYS.accounts("unipile")) == 3

            await wait_until(all_are_taken, description="all are taken")
    statuses = {(await status_in(store, f"acc_{number}")).status for number in (1, 3, 4)}

    # It has no time of its own: when it came counts.
    assert intervals(await announced(store)) == {"acc_1": {(None, moment(10.7), moment(20.7))}}
    assert statuses == {"running", "removed", "something-new"}
    assert [line["event_id"] for line in said if line["event"] == "account_unnamed"] == ["evt_2"]
    assert await dead_letters(store, group=GROUP) == []
