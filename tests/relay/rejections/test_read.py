"""Reading the refusal log, on real servers."""

import pytest
from redis.asyncio import Redis

from relay.contract.registry import WrongType
from relay.rejections.read import newest_rows, read_row, rows_of_request
from relay.rejections.rejection import Rejection
from tests.relay.commands.rejecting import BODY, KEYS, keep, row

pytestmark = pytest.mark.redis


async def listed(store: Redis) -> list[Rejection]:
    """Give all rows."""
    return [each async for each in newest_rows(store, KEYS, "unipile")]


async def test_bodies_stay_at_the_store_until_one_is_wanted(store: Redis) -> None:
    """A look at a full log must not bring all of it."""
    (wanted,) = await keep(store, row())
    (found,) = await listed(store)
    whole = await read_row(store, KEYS, "unipile", wanted.partition("/")[2])

    assert found.body is None
    assert found.body_bytes == len(BODY)
    assert whole is not None
    assert whole.body == BODY


async def test_a_row_is_found_by_the_answer_that_its_sender_has(store: Redis) -> None:
    """Also behind many others."""
    await keep(store, row(request_id="wanted"), *[row(request_id=str(n)) for n in range(40)])
    (found,) = await rows_of_request(store, KEYS, ["other", "unipile"], "wanted")

    assert (found.request_id, found.body) == ("wanted", BODY)


async def test_what_is_no_id_is_no_row(store: Redis) -> None:
    """Whatever was typed."""
    await keep(store, row())

    for text in ("", "-", "+", "1", "1-1-1", "99999999999999999999-0", "0-0"):
        assert await read_row(store, KEYS, "unipile", text) is None


@pytest.mark.parametrize(
    "said",
    [
        {"receivedat": "soon"},
        {"compared": "[1]"},
        {"headers": "7"},
        {"headers": "[" * 100_000},
    ],
)
async def test_a_row_of_another_form_hides_no_other(store: Redis, said: dict[str, str]) -> None:
    """Whoever may write to the store may have written anything."""
    (wanted,) = await keep(store, row())
    fields = {"receivedat": "1", "reason": "signature_mismatch"} | said
    pairs = [part for pair in fields.items() for part in pair]
    await store.execute_command("XADD", KEYS.rejected("unipile"), "*", *pairs)
    found = await listed(store)

    assert [f"unipile/{each.id}" for each in found] == [wanted]


async def test_what_is_no_log_is_said(store: Redis) -> None:
    """It must not pass for a log in which nothing is."""
    await store.set(KEYS.rejected("unipile"), "no log", ex=60)

    with pytest.raises(WrongType, match="@rejected is a string"):
        await listed(store)
