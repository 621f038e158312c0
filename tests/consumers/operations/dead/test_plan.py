"""What a plan counts on the server is what would be counted letter by letter."""

from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.operations.dead import count, plan
from consumers.operations.dead.books import Choice
from consumers.operations.dead.letters import Book
from consumers.operations.dead.plan import Plan, plan_drop, plan_redrive
from consumers.operations.dead.redrive import redrive
from consumers.operations.select import FIRST_ID, LAST_ID, Selection
from tests.consumers.making import GROUP, KEYS, TAG, TYPE
from tests.consumers.operations.dead.setting_aside import letter_for, register, set_aside

pytestmark = pytest.mark.redis

# Optional fields that cannot be read: a worker that meets them says so.
UNREADABLE: list[dict[bytes, bytes]] = [
    {b"headers": b'{"a":"b",}'},
    {b"headers": b'{"a":1}'},
    {b"headers": b'{"a":"\xff"}'},
    {b"headers": b""},
    {b"batchindex": b"x"},
    {b"account": b"\xff"},
    {b"time": b"\xff"},
    {b"query": b"\xff"},
]
ODD: list[dict[bytes, bytes]] = [
    {},
    {b"headers": b'{"user-agent":"a"}'},
    {b"headers": '{"a":"\xe4"}'.encode()},
    {b"receivedat": b"x"},
    {b"receivedat": b"-5"},
    {b"receivedat": b" 7 "},
    {b"receivedat": b"9" * 5000},
    {b"receivedat": b""},
    {b"batchindex": b"3"},
    {b"relayversion": b"2"},
    {b"assurance": b"some"},
    {b"id": b"\xff"},
    {b"id": "\xe4".encode()},
    {b"source": b"\xff"},
    {b"account": "kont\xf6".encode()},
    {b"account": b"acc_2"},
    {b"account": b""},
    {b"reason": b"poison"},
    {b"reason": b"unreadable"},
    {b"type": b"other.type"},
    {b"type": b"other type"},
    {b"type": b"unheard.of"},
    {b"type": b"\xff"},
    {b"type": b"t" * 129},
    {b"type": b""},
    {b"lasterror": b"TimeoutError: too late"},
    {b"lasterror": "\u017fo late, too: TIMEOUT".encode()},
    {b"lasterror": "\u212aelvin: too LATE in \xdf".encode()},
    {b"extra": b"\xff"},
    *({**fields, b"reason": b"unreadable"} for fields in UNREADABLE),
]
MISSING = [b"id", b"source", b"type", b"receivedat", b"assurance", b"relayversion", b"data"]
SELECTIONS = [
    Selection(),
    Selection(account="acc_2"),
    Selection(account="kont\xf6"),
    Selection(account=""),
    Selection(reason="poison"),
    Selection(error="Late"),
    Selection(error="so late"),
    Selection(error="kelvin"),
    Selection(error="ss"),
    Selection(error=""),
    Selection(types=("other*",)),
    Selection(types=("other*",), error="first"),
    Selection(ids=frozenset({"evt_3", "evt_30"})),
    Selection(ids=frozenset({"\ufffd"})),
]


async def odd_letters(store: Redis) -> list[str]:
    """Set aside letters of all kinds, and give their ids."""
    letters: list[Any] = [
        letter_for(f"evt_{number}", added) for number, added in enumerate(ODD * 2)
    ]
    for name in MISSING:
        letters.append(letter_for(f"evt_without_{name.decode()}"))
        del letters[-1][name]
    letters.append(letter_for("evt_wide", {b"x%d" % number: b"" for number in range(4000)}))
    ids = await set_aside(store, *letters)
    await register(store, [TYPE, "other.type"])
    return ids


def sums(found: Plan) -> Any:
    """Give a plan without the order of what is equally many."""
    return (
        found.until,
        found.letters,
        sorted((part.event_type, part.reason, part.letters) for part in found.parts),
        dict(found.left),
        found.first,
    )


async def test_the_server_counts_what_is_counted_letter_by_letter(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every selection, for what is readable and what is not, and over several pages."""
    ids = await odd_letters(store)
    monkeypatch.setattr(count, "PAGE", 7)
    named = [Selection(ids=frozenset({ids[4], "evt_9"})), Selection(since=ids[3], until=ids[60])]
    choices = [Choice(group=GROUP, selection=each) for each in [*SELECTIONS, *named]]
    counted = [
        sums(await make(store, KEYS, choice))
        for make in (plan_redrive, plan_drop)
        for choice in choices
    ]
    monkeypatch.setattr(plan, "can_count", lambda _: False)

    one_by_one = [
        sums(await make(store, KEYS, choice))
        for make in (plan_redrive, plan_drop)
        for choice in choices
    ]

    assert counted == one_by_one
    assert all(letters for _, letters, *_ in counted[:3])


@pytest.mark.parametrize("limit", [1, 5, 21, 22, 60, 10_000])
async def test_a_limit_ends_a_plan_where_it_would_end_the_run(
    store: Redis, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Within a page as well, and over several books."""
    await odd_letters(store)
    await set_aside(store, "evt_a", "evt_b", group="billing")
    monkeypatch.setattr(count, "PAGE", 7)
    choices = [
        Choice(limit=limit, selection=selection)
        for selection in (Selection(), Selection(account="acc_2"), Selection(types=("other*",)))
    ]
    counted = [await plan_redrive(store, KEYS, choice) for choice in choices]
    monkeypatch.setattr(plan, "can_count", lambda _: False)
    one_by_one = [await plan_redrive(store, KEYS, choice) for choice in choices]

    assert [sums(each)[:3] for each in counted] == [sums(each)[:3] for each in one_by_one]
    assert [each.first for each in counted] == [each.first for each in one_by_one]


@pytest.mark.parametrize("fields", UNREADABLE)
async def test_what_only_the_run_finds_unreadable_is_left_by_it(
    store: Redis, fields: dict[bytes, bytes]
) -> None:
    """Another program's letter may say that a handler failed, and yet hold what none can read."""
    await set_aside(store, letter_for("evt_1", fields), "evt_2")
    planned = await plan_redrive(store, KEYS, Choice(group=GROUP))
    result = await redrive(store, KEYS, Choice(group=GROUP))

    assert (planned.letters, planned.left) == (2, [])
    assert (result.done, result.left) == (1, {"unreadable": 1})


async def test_letters_that_are_counted_do_not_travel(store: Redis) -> None:
    """None but as many of the first as are asked for."""
    ids = await set_aside(store, *(f"evt_{number}" for number in range(50)))
    book = Book.of(KEYS, TAG, GROUP)
    everything = Selection(since=FIRST_ID, until=LAST_ID)

    first = await count.count_page(store, book, everything, first=2, readable=True)
    rest = await count.count_page(
        store, book, replace(everything, since=ids[10]), first=0, readable=True
    )

    assert [(kind.letters, len(kind.first)) for kind in first.kinds] == [(50, 2)]
    assert [(kind.letters, len(kind.first)) for kind in rest.kinds] == [(40, 0)]
    assert (first.doubtful, rest.doubtful) == ([], [])
    assert first.kinds[0].first[0].fields[b"data"] == b""


async def test_a_page_is_bounded_in_bytes(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long bodies make short pages, and none of them is missed."""
    ids = await set_aside(
        store, *(letter_for(f"evt_{number}", {b"data": b"x" * 3000}) for number in range(40))
    )
    monkeypatch.setattr(count, "BYTES_PER_PAGE", 10_000)
    book = Book.of(KEYS, TAG, GROUP)

    page = await count.count_page(store, book, Selection(), first=0, readable=True)
    whole = await plan_drop(store, KEYS, Choice())

    assert 1 < page.seen < 10
    assert (whole.letters, whole.until) == (40, ids[-1])
