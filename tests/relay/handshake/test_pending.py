"""The book of secrets that wait for an operator, on real servers."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from relay.contract.connect import connect
from relay.contract.errors import StoreUnavailable, TooManySecrets
from relay.contract.keys import Keys
from relay.handshake import pending
from relay.handshake.pending import PendingSecrets
from tests.servers import Server

pytestmark = pytest.mark.redis

KEY = Keys().secrets_pending


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    made = connect(server.url, role="test")
    yield made
    await made.aclose()


@pytest.fixture
def book(store: Redis) -> PendingSecrets:
    """An empty book."""
    return PendingSecrets(store, Keys())


def secret(number: int) -> str:
    """Make one."""
    return f"secret_of_somebody_{number:04d}"


async def test_what_is_kept_twice_waits_once(book: PendingSecrets) -> None:
    """A sender that tries again, or a lost reply, changes nothing."""
    await book.keep("notion", secret(1))
    (first,) = await book.waiting()
    await book.keep("notion", secret(1))

    assert await book.waiting() == [first]
    assert (first.endpoint, first.secret) == ("notion", secret(1))
    assert secret(1) not in repr(first)


async def test_the_first_stay_and_the_rest_is_refused(
    book: PendingSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each endpoint some, and of all together some."""
    monkeypatch.setattr(pending, "MAX_PER_ENDPOINT", 3)
    monkeypatch.setattr(pending, "MAX_TOTAL", 5)
    taken = []
    for endpoint in ("asana", "notion", "other"):
        for number in range(20):
            try:
                await book.keep(endpoint, secret(number))
            except TooManySecrets:
                continue
            taken.append((endpoint, secret(number)))
    wanted = [("asana", secret(n)) for n in range(3)] + [("notion", secret(n)) for n in range(2)]

    assert taken == wanted
    assert [(each.endpoint, each.secret) for each in await book.waiting()] == wanted


async def test_what_nobody_accepts_makes_room_in_time(
    book: PendingSecrets, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too old is not shown, and goes when the next one comes."""
    monkeypatch.setattr(pending, "MAX_PER_ENDPOINT", 1)
    await store.hset(KEY, "notion|old", f"1700000000000 {secret(0)}")
    shown = await book.waiting()
    await book.keep("notion", secret(1))

    assert shown == []
    assert [each.secret for each in await book.waiting()] == [secret(1)]
    assert await store.hlen(KEY) == 1
    assert 0 < await store.pttl(KEY) <= pending.KEEP_MS


async def test_one_is_taken_out_and_the_others_stay(book: PendingSecrets) -> None:
    """Also where it is gone already."""
    await book.keep("notion", secret(1))
    await book.keep("notion", secret(2))
    chosen = next(each for each in await book.waiting() if each.secret == secret(1))
    await book.remove(chosen)
    await book.remove(chosen)

    assert [each.secret for each in await book.waiting()] == [secret(2)]


async def test_a_book_that_is_no_book_is_left_alone(book: PendingSecrets, store: Redis) -> None:
    """Somebody else's key is not written to; the sender is told to come again."""
    await store.set(KEY, "something", px=60_000)

    with pytest.raises(StoreUnavailable):
        await book.keep("notion", secret(1))

    assert await store.get(KEY) == b"something"


async def test_a_full_server_keeps_none(book: PendingSecrets, store: Redis) -> None:
    """What is left of its memory belongs to the workers."""
    await store.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable):
            await book.keep("notion", secret(1))
    finally:
        await store.config_set("maxmemory", "0")

    assert await book.waiting() == []
