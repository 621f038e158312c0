"""Looking through dead letters."""

from typing import Any

import pytest
from redis.asyncio import Redis

from consumers import dead as module
from consumers.dead import DeadLetter, letters
from relay.contract.connect import text_of
from tests.consumers.making import GROUP, KEYS, TAG, fields_for

pytestmark = pytest.mark.redis


async def set_aside(store: Redis, *event_ids: str, tag: str = TAG, group: str = GROUP) -> list[str]:
    """Put events into a group's dead letters, and give the letters' ids."""
    await store.sadd(KEYS.tags, tag)
    found = []
    for event_id in event_ids:
        fields: Any = fields_for(event_id) | {b"reason": b"gave_up"}
        found.append(text_of(await store.xadd(KEYS.dead(tag, group), fields) or b""))
    return found


async def found(store: Redis, **narrowed: str) -> list[DeadLetter]:
    """Give all letters that are found."""
    return [letter async for letter in letters(store, KEYS, **narrowed)]


async def test_a_letter_holds_the_event_and_when_it_was_set_aside(store: Redis) -> None:
    """Its fields are bytes as stored; a missing one is empty text."""
    (letter_id,) = await set_aside(store, "evt_1")
    (letter,) = await found(store)

    assert (letter.tag, letter.group, letter.letter_id) == (TAG, GROUP, letter_id)
    assert letter.fields == {
        name.decode(): value
        for name, value in (fields_for("evt_1") | {b"reason": b"gave_up"}).items()
    }
    assert (letter.text("id"), letter.text("absent")) == ("evt_1", "")
    assert letter.set_aside_ms == int(letter_id.split("-")[0])


async def test_the_newest_letters_come_first_over_all_pages(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is left out and none comes twice where one page ends and the next begins."""
    monkeypatch.setattr(module, "PAGE", 3)
    ids = [f"evt_{number}" for number in range(9)]
    await set_aside(store, *ids)

    assert [letter.text("id") for letter in await found(store)] == ids[::-1]


@pytest.mark.parametrize(
    ("narrowed", "ids"),
    [
        ({}, {"a", "b", "c", "d"}),
        ({"group": "billing"}, {"b", "d"}),
        ({"endpoint": "unipile"}, {"a", "b", "c"}),
        ({"endpoint": "unipile", "group": GROUP}, {"a", "c"}),
        ({"endpoint": "nobody"}, set()),
        ({"group": "crm-*"}, set()),
    ],
)
async def test_letters_are_narrowed_to_an_endpoint_and_a_group(
    store: Redis, narrowed: dict[str, str], ids: set[str]
) -> None:
    """An endpoint's partitions belong to it."""
    await set_aside(store, "a")
    await set_aside(store, "b", group="billing")
    await set_aside(store, "c", tag="unipile#1")
    await set_aside(store, "d", tag="github", group="billing")

    assert {letter.text("id") for letter in await found(store, **narrowed)} == ids


async def test_letters_of_a_group_that_no_stream_has_any_more_are_found(store: Redis) -> None:
    """The streams may be gone; what was set aside is still there to be looked at."""
    await set_aside(store, "evt_1", group="former")

    assert [letter.group for letter in await found(store)] == ["former"]


async def test_other_keys_are_not_taken_for_dead_letters(store: Redis) -> None:
    """A tag's name is no pattern."""
    await set_aside(store, "evt_1")
    await store.set("relay:{unipile}@seen:dead", "1", px=60_000)
    await store.xadd("relay:{unipile2}@dead:crm", {"id": "evt_2"})

    assert [letter.text("id") for letter in await found(store)] == ["evt_1"]
