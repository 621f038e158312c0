"""Listing, counting and finding dead letters."""

from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.operations.dead import letters as reading
from consumers.operations.dead import look as module
from consumers.operations.dead.books import Choice
from consumers.operations.dead.letters import Book, DeadLetter, Range, pages
from consumers.operations.dead.look import count_letters, find_letters, list_letters
from consumers.operations.select import Selection
from tests.consumers.making import GROUP, KEYS, TAG, numbered
from tests.consumers.operations.dead.setting_aside import letter_for, set_aside

pytestmark = pytest.mark.redis


async def listed(store: Redis, choice: Choice | None = None) -> list[str]:
    """Give the event ids of all letters that are found."""
    found = await list_letters(store, KEYS, choice or Choice(), look_seconds=None)
    return [letter.text("id") for letter in found.letters]


async def test_a_letter_is_listed_with_what_happened_and_without_its_body(store: Redis) -> None:
    """A missing field is empty text, and so is the body, which may be large."""
    (letter_id,) = await set_aside(store, letter_for("evt_1", data=b"x" * 1000))
    ((letter,), looked_at, go_on) = _parts(await list_letters(store, KEYS, Choice()))

    assert (letter.book.tag, letter.book.group, letter.letter_id) == (TAG, GROUP, letter_id)
    assert (letter.text("id"), letter.text("absent"), letter.attempts) == ("evt_1", "", 8)
    assert letter.text("lasterror") == "ValueError: last"
    assert letter.set_aside_ms == int(letter_id.split("-")[0])
    assert letter.size_bytes > 1000
    assert b"x" * 1000 not in letter.fields.values()
    assert (looked_at, go_on) == (1, None)


def _parts(found: module.Found) -> tuple[list[DeadLetter], int, str | None]:
    return list(found.letters), found.looked_at, found.go_on_until


@pytest.mark.parametrize("page", [1, 3, 256])
async def test_the_newest_letters_come_first_over_all_pages_and_groups(
    store: Redis, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """None is left out and none comes twice where one page ends and the next begins."""
    monkeypatch.setattr(reading, "PAGE", page)
    monkeypatch.setattr(module, "FIRST_PAGE", page)
    ids = numbered(10)
    for number, event_id in enumerate(ids):
        await set_aside(store, event_id, group=("crm", "billing", "mail")[number % 3])
        await store.echo("each has a time of its own")

    assert sorted(await listed(store)) == sorted(ids)
    times = [letter.set_aside_ms for letter in (await list_letters(store, KEYS, Choice())).letters]
    assert times == sorted(times, reverse=True)


async def test_large_letters_come_in_smaller_pages(store: Redis) -> None:
    """A page ends once it has looked at 128 KiB, however few letters those are."""
    await set_aside(store, *(letter_for(each, data=b"x" * 100_000) for each in numbered(12)))
    await store.config_resetstat()

    assert await listed(store) == numbered(12)[::-1]
    statistics: Any = await store.info("commandstats")
    assert statistics["cmdstat_evalsha"]["calls"] >= 4


async def test_a_page_ends_soon_where_large_letters_follow_small_ones(store: Redis) -> None:
    """How large the next ones are is not known, so that few are read at once."""
    large = (letter_for(each, data=b"x" * 200_000) for each in numbered(20))
    await set_aside(store, *numbered(8), *large)
    book = Book.of(KEYS, TAG, GROUP)
    found = [page async for page in pages(store, book, Range())]

    assert sum(map(len, found)) == 28
    assert max(sum(letter.size_bytes > 200_000 for letter in page) for page in found) <= 4


@pytest.mark.parametrize(
    ("narrowed", "ids"),
    [
        ({}, {"a", "b", "c", "d"}),
        ({"group": "billing"}, {"b", "d"}),
        ({"endpoint": "unipile"}, {"a", "b", "c"}),
        ({"endpoint": "unipile", "group": GROUP}, {"a", "c"}),
        ({"endpoint": "nobody"}, set()),
        ({"group": "crm-*"}, set()),
        ({"selection": Selection(error="timeout")}, {"c"}),
        ({"selection": Selection(ids=frozenset({"a", "d"}))}, {"a", "d"}),
    ],
)
async def test_letters_are_narrowed_by_what_is_asked_for(
    store: Redis, narrowed: dict[str, Any], ids: set[str]
) -> None:
    """An endpoint's partitions belong to it."""
    await set_aside(store, "a")
    await set_aside(store, "b", group="billing")
    await set_aside(store, letter_for("c", {b"lasterror": b"Timeout: x"}), tag="unipile#1")
    await set_aside(store, "d", tag="github", group="billing")

    assert set(await listed(store, Choice(**narrowed))) == ids


async def test_letters_of_a_group_that_reads_a_stream_are_found(store: Redis) -> None:
    """It need not be one of the configured."""
    await set_aside(store, "evt_1")
    await store.delete(KEYS.groups(TAG))
    await store.xgroup_create(KEYS.stream(TAG, "message.new"), GROUP, id="0", mkstream=True)

    assert await listed(store) == ["evt_1"]


async def test_letters_of_a_group_that_no_stream_has_any_more_are_found_by_its_name(
    store: Redis,
) -> None:
    """The streams may be gone; what was set aside is still there to be looked at."""
    await set_aside(store, "evt_1", group="former")
    await store.delete(KEYS.groups(TAG))

    assert await listed(store) == []
    assert await listed(store, Choice(group="former")) == ["evt_1"]


async def test_a_limit_says_where_to_go_on(store: Redis) -> None:
    """The bound that is given continues with the very next letter."""
    ids = await set_aside(store, *numbered(5))
    first = await list_letters(store, KEYS, Choice(limit=2))
    rest = Selection(until=first.go_on_until or "")

    assert first.go_on_until == ids[2]
    assert await listed(store, Choice(selection=rest)) == ["evt_2", "evt_1", "evt_0"]


async def test_looking_stops_after_its_time_and_says_where(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that nothing passes does not look through everything, unless it is told to."""
    ids = await set_aside(store, *numbered(200))
    choice = Choice(selection=Selection(account="nobody"))
    stopped = await list_letters(store, KEYS, choice, look_seconds=0.0)
    through = await list_letters(store, KEYS, choice, look_seconds=None)

    assert (stopped.letters, stopped.looked_at) == ([], 64)
    assert stopped.go_on_until == ids[-65]
    assert (through.looked_at, through.go_on_until) == (200, None)


async def test_letters_are_counted_by_what_they_have_in_common(store: Redis) -> None:
    """Errors that differ only in ids, and in numbers that are no status, count as one."""
    errors = [b"HTTPError: 503 after 17 ms", b"HTTPError: 503 after 4 ms", b"KeyError: 'name'"]
    ids = await set_aside(
        store, *(letter_for(f"e{n}", {b"lasterror": error}) for n, error in enumerate(errors))
    )
    counted = await count_letters(store, KEYS, Choice(), by="error")
    by_type = await count_letters(store, KEYS, Choice(), by="account")

    assert [(row.value, row.letters) for row in counted.rows] == [
        ("HTTPError: 503 after # ms", 2),
        ("KeyError: 'name'", 1),
    ]
    assert counted.rows[0].oldest_ms == int(ids[0].split("-")[0])
    assert [(row.value, row.letters) for row in by_type.rows] == [("", 3)]


async def test_counting_stops_after_its_time_as_well(store: Redis) -> None:
    """And says so."""
    await set_aside(store, *numbered(100))
    counted = await count_letters(store, KEYS, Choice(), by="type", look_seconds=0.0)

    assert (counted.looked_at, counted.rows[0].letters) == (64, 64)
    assert counted.go_on_until is not None


async def found(store: Redis, wanted: str, **narrowed: Any) -> list[DeadLetter]:
    """Find the letters with an id."""
    return list((await find_letters(store, KEYS, Choice(**narrowed), wanted)).letters)


async def test_a_letter_is_found_whole_by_its_id_or_the_events(store: Redis) -> None:
    """An event may have letters in several groups."""
    (letter_id,) = await set_aside(store, letter_for("evt_1", data=b"body"))
    await set_aside(store, "evt_1", group="billing")
    by_letter = await found(store, letter_id, group=GROUP)
    by_event = await found(store, "evt_1")

    assert [letter.fields[b"data"] for letter in by_letter] == [b"body"]
    assert {letter.book.group for letter in by_event} == {"billing", GROUP}
    assert await found(store, "evt_2") == []


async def test_an_event_whose_id_looks_like_a_letters_is_found(store: Redis) -> None:
    """Senders name their events as they like."""
    await set_aside(store, "1234-5")

    assert len(await found(store, "1234-5")) == 1


async def test_looking_for_an_event_stops_after_its_time_and_says_so(store: Redis) -> None:
    """A letter's own id is found at once, however many there are."""
    ids = await set_aside(store, *numbered(200))
    stopped = await find_letters(store, KEYS, Choice(), "evt_0", look_seconds=0.0)
    through = await find_letters(store, KEYS, Choice(), "evt_0", look_seconds=None)
    at_once = await find_letters(store, KEYS, Choice(), ids[0], look_seconds=0.0)

    assert (stopped.letters, stopped.go_on_until) == ([], ids[-65])
    assert [len(one.letters) for one in (through, at_once)] == [1, 1]


async def test_what_is_no_stream_is_said_and_not_passed_over(store: Redis) -> None:
    """Nobody should believe that there are no letters."""
    await set_aside(store, "evt_1")
    await store.delete(KEYS.dead(TAG, GROUP))
    await store.set(KEYS.dead(TAG, GROUP), "1", px=60_000)

    found = await list_letters(store, KEYS, Choice())
    counted = await count_letters(store, KEYS, Choice(), by="type")

    assert [each.key for each in (*found.wrong, *counted.wrong)] == 2 * [KEYS.dead(TAG, GROUP)]


@pytest.mark.parametrize(
    ("error", "counted_as"),
    [
        ("HTTPError: 503", "HTTPError: 503"),
        ("Timeout: after 1503 ms", "Timeout: after # ms"),
        ("KeyError: 'evt_01k9'", "KeyError: 'evt_01k9'"),
        ("X: 6f1c2d3e-aaaa-4bbb-8ccc-0123456789ab", "X: #"),
        ("X: <object at 0x7f46ff102a50>", "X: <object at #>"),
        ("X: " + 200 * "é", "X: " + 97 * "é"),
    ],
)
def test_an_error_is_counted_without_what_is_particular(error: str, counted_as: str) -> None:
    """What would make each of them another stays out."""
    letter = DeadLetter(
        book=reading.Book(TAG, GROUP, KEYS.dead(TAG, GROUP)),
        letter_id="1-0",
        fields={b"lasterror": error.encode()},
        size_bytes=1,
        field_count=1,
    )

    assert module.common(letter, "error") == counted_as
