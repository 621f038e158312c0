"""What something else has written in the place of the relay's registry is named."""

import pytest
from redis.asyncio import Redis

from relay.contract.keys import Keys
from relay.contract.registry import WrongType, known_tags, known_types, listed_groups

pytestmark = pytest.mark.redis

KEYS = Keys()


async def test_what_is_known_comes_sorted(store: Redis) -> None:
    """And as text."""
    await store.sadd(KEYS.tags, "b", "a")
    await store.hset(KEYS.streams("a"), mapping={"two": "1 1-0", "one": "2 1-0"})
    await store.hset(KEYS.groups("a"), mapping={"crm": "1 []", "billing": "1 []"})

    assert await known_tags(store, KEYS) == ["a", "b"]
    assert await known_types(store, KEYS, "a") == ["one", "two"]
    assert await listed_groups(store, KEYS, "a") == ["billing", "crm"]
    assert await known_types(store, KEYS, "b") == []


async def test_a_wrong_type_is_said_with_its_key_and_what_to_do(store: Redis) -> None:
    """The store's own words say neither."""
    spoiled = (KEYS.tags, KEYS.streams("a"), KEYS.groups("a"))
    for key in spoiled:
        await store.rpush(key, "mine")
        await store.expire(key, 60)
    readings = (
        known_tags(store, KEYS),
        known_types(store, KEYS, "a"),
        listed_groups(store, KEYS, "a"),
    )

    said = []
    for reading in readings:
        with pytest.raises(WrongType) as refused:
            await reading
        said.append(str(refused.value))

    for text, key, wanted in zip(said, spoiled, ("set", "hash", "hash"), strict=True):
        assert text.startswith(f"{key} is a list, where the relay keeps a {wanted}")
        assert "`relay check --repair`" in text


async def test_a_wrong_type_is_said_also_where_it_may_not_be_asked_for(store: Redis) -> None:
    """A managed server may permit little."""
    await store.set(KEYS.tags, "mine", px=60_000)
    await store.acl_setuser("poor", enabled=True, nopass=True, keys=["*"], commands=["+smembers"])
    poor = await _as_user(store, "poor")
    try:
        with pytest.raises(WrongType, match="is of another type"):
            await known_tags(poor, KEYS)
    finally:
        await poor.aclose()
        await store.acl_deluser("poor")


async def _as_user(store: Redis, name: str) -> Redis:
    place = store.connection_pool.connection_kwargs
    return Redis(host=place["host"], port=place["port"], username=name, password="any")
