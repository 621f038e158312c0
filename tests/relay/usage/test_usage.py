"""The books of endpoints: what several gateways count comes together, and stays within bounds."""

import pytest
from redis.asyncio import Redis

from relay.contract.connect import connect, text_of
from relay.contract.keys import Keys
from relay.endpoint import Endpoint, Secret
from relay.usage import Usage, read_usage, write
from tests.making import make_endpoint
from tests.proxy import proxy_to
from tests.servers import Server

pytestmark = pytest.mark.redis

OLD, NEW = Secret("secret-old", "env:OLD"), Secret("secret-new", "file:/new")
BOOK = "relay:{unipile}@usage"
MINUTE_MS = 60_000


class Clock:
    """Milliseconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        """Give the time."""
        return self.ms


def endpoint_of(*secrets: Secret) -> dict[str, Endpoint]:
    """Give the endpoints of one gateway."""
    endpoint = make_endpoint()
    object.__setattr__(endpoint, "secrets", secrets)
    return {"unipile": endpoint}


async def test_what_two_gateways_count_is_one_book(store: Redis) -> None:
    """Counts are added, and the first and the last time are those of either."""
    clock = Clock()
    one, other = (
        Usage(store, Keys(), endpoint_of(NEW, OLD), clock),
        Usage(store, Keys(), endpoint_of(NEW, OLD), clock),
    )
    one.note("unipile", "stored", OLD)
    clock.ms += 1000
    other.note("unipile", "duplicate", NEW)
    other.note("unipile", "stored", OLD)
    clock.ms += 1000
    one.note("unipile", "signature_mismatch")
    await other.flush()
    await one.flush()
    found = await read_usage(store, Keys(), "unipile")
    old, new = found.of(OLD), found.of(NEW)

    assert old is not None
    assert new is not None
    assert (old.count, old.first_ms, old.last_ms) == (2, 1_000_000, 1_001_000)
    assert (new.count, new.first_ms, new.last_ms) == (1, 1_001_000, 1_001_000)
    assert {name: each.count for name, each in found.outcomes.items()} == {
        "stored": 2,
        "duplicate": 1,
        "signature_mismatch": 1,
    }
    assert 0 < await store.pttl(BOOK) <= write.KEEP_MS


async def test_another_content_behind_the_same_name_is_another_secret(store: Redis) -> None:
    """As in a file that was overwritten."""
    usage = Usage(store, Keys(), endpoint_of(OLD))
    renewed = Secret("secret-third", OLD.name)
    usage.note("unipile", "stored", OLD)
    usage.note("unipile", "stored", renewed)
    await usage.flush()
    found = await read_usage(store, Keys(), "unipile")

    assert sorted(each.fingerprint for each in found.secrets) == sorted(
        [OLD.fingerprint, renewed.fingerprint]
    )
    assert {each.name for each in found.secrets} == {OLD.name}


async def test_each_gateway_says_once_a_minute_which_secrets_it_has(store: Redis) -> None:
    """Whatever their order; also of those that prove nothing, and never by more than that."""
    clock = Clock()
    before = Usage(store, Keys(), endpoint_of(OLD), clock)
    after = Usage(store, Keys(), endpoint_of(NEW, OLD), clock)
    turned = Usage(store, Keys(), endpoint_of(OLD, NEW), clock)
    await before.flush()
    for _ in range(3):
        clock.ms += MINUTE_MS // 2
        await after.flush()
    await turned.flush()
    found = await read_usage(store, Keys(), "unipile")

    assert {each.fingerprints: each.last_ms for each in found.held} == {
        frozenset({OLD.fingerprint}): 1_000_000,
        frozenset({OLD.fingerprint, NEW.fingerprint}): clock.ms,
    }
    assert found.loaded_ms == clock.ms
    assert not any("secret-" in text_of(name) for name in await store.hkeys(BOOK))


async def test_a_store_that_is_away_is_told_when_it_is_back(own_server: Server) -> None:
    """Nothing is lost meanwhile, and the times are those of the deliveries."""
    store, clock = connect(own_server.url, role="test"), Clock()
    usage = Usage(store, Keys(), endpoint_of(OLD), clock)
    usage.note("unipile", "stored", OLD)
    own_server.kill()
    await usage.flush()
    clock.ms += MINUTE_MS
    usage.note("unipile", "stored", OLD)
    await usage.flush()
    own_server.start()
    await usage.flush()
    await usage.flush()
    found = (await read_usage(store, Keys(), "unipile")).of(OLD)
    await store.aclose()

    assert found is not None
    assert (found.count, found.first_ms, found.last_ms) == (2, 1_000_000, 1_060_000)


async def test_after_a_lost_reply_a_batch_counts_twice_and_never_not_at_all(
    server: Server,
) -> None:
    """Whether it was written nobody can know; its times are right either way."""
    clock = Clock()
    async with proxy_to(server.port) as proxy:
        store = connect(f"redis://127.0.0.1:{proxy.port}", role="test")
        usage = Usage(store, Keys(), endpoint_of(OLD), clock)
        await usage.flush()
        usage.note("unipile", "stored", OLD)
        proxy.lose_replies_to(b"secret:", 1)
        await usage.flush()
        await usage.flush()
        found = (await read_usage(store, Keys(), "unipile")).of(OLD)
        await store.aclose()

    assert proxy.lost == 1
    assert found is not None
    assert (found.count, found.first_ms, found.last_ms) == (2, 1_000_000, 1_000_000)


async def test_a_book_has_a_bounded_number_of_names(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were not used for longest make room, and what is used stays."""
    monkeypatch.setattr(write, "MOST_NAMES", 8)
    clock = Clock()
    usage = Usage(store, Keys(), endpoint_of(OLD), clock)
    for number in range(20):
        clock.ms += 1000
        usage.note("unipile", "stored", OLD)
        usage.note("unipile", "stored", Secret(f"secret-{number}", "file:/changing"))
        await usage.flush()
    found = await read_usage(store, Keys(), "unipile")
    old = found.of(OLD)

    assert await store.hlen(BOOK) == 8
    assert old is not None
    assert old.count == 20
    assert found.of(Secret("secret-19", "file:/changing")) is not None
    assert found.of(Secret("secret-0", "file:/changing")) is None


@pytest.mark.parametrize(
    "field", ["secret:env:OLD#1234 x", "outcome:stored", "holds:", "loaded", "other"]
)
async def test_what_somebody_else_has_written_into_a_book_is_passed_over(
    store: Redis, field: str
) -> None:
    """It is counted anew, and shown as nothing until then."""
    await store.hset(BOOK, field, "a word")
    await store.expire(BOOK, 100)
    found = await read_usage(store, Keys(), "unipile")

    assert (found.secrets, found.outcomes, found.held, found.loaded_ms) == ((), {}, (), None)


async def test_a_book_of_another_type_stops_nothing(store: Redis) -> None:
    """What it would have said is kept for as long as the process lives."""
    usage = Usage(store, Keys(), endpoint_of(OLD))
    await store.set(BOOK, "a word", ex=100)
    usage.note("unipile", "stored", OLD)
    await usage.flush()
    await store.delete(BOOK)
    await usage.flush()
    found = (await read_usage(store, Keys(), "unipile")).of(OLD)

    assert found is not None
    assert found.count == 1
