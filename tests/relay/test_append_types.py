"""Which events begin a type: so many of those that nobody signed, and none that nothing proves."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from redis import Redis

from relay.append.script import Verdict
from relay.contract.event import Appended, Assurance, Duplicate, IdentifiedEvent
from tests.making import make_identified
from tests.relay.appending import KEYS, Bench, entry_id
from tests.relay.clocked import TAG, Clocked, InMemory, OnServer
from tests.servers import Server

HOUR_MS = 3_600_000


@pytest.fixture(
    params=[
        "fake",
        pytest.param("valkey", marks=pytest.mark.redis),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
def clocked(
    request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]
) -> Iterator[Clocked]:
    """A store whose time the test sets."""
    if request.param == "fake":
        yield InMemory()
        return
    with shared_servers(request.param).client() as client:
        client.flushall()
        yield OnServer(client)
        client.flushall()


def unsigned(
    event_id: str, event_type: str, at_most: int | None, max_types: int = 1000
) -> IdentifiedEvent:
    """Make an event whose type no signature covers."""
    event = make_identified(event_id, event_type, max_types=max_types)
    return msgspec.structs.replace(event, max_new_types_per_hour=at_most)


def misplaced(verdicts: list[Verdict]) -> list[bool]:
    """Say of each event whether it is in ``unidentified``; each must be stored."""
    assert all(isinstance(verdict.result, Appended) for verdict in verdicts)
    return [verdict.misplaced for verdict in verdicts]


def types_of(client: Redis) -> set[str]:
    """Give the tag's types."""
    names: Any = client.hkeys(KEYS.streams(TAG))
    return {name.decode() for name in names}


async def test_only_so_many_unsigned_types_begin(bench: Bench) -> None:
    """Further ones go where the sender's own type is kept, and that is told."""
    results = await bench.append(*(unsigned(name, name, 2) for name in "abc"))
    (event,) = (await bench.events("unidentified")).values()

    assert [type(result) for result in results] == [Appended] * 3
    assert (event.id, event.type, event.original_type) == ("c", "unidentified", "c")
    assert set(await bench.streams()) == {"a", "b", "unidentified"}
    assert bench.heard.misplacements == ["unipile"]
    assert bench.heard.new_streams == [("unipile", one) for one in ("a", "b", "unidentified")]


async def test_a_repeat_of_an_event_without_its_type_is_known(bench: Bench) -> None:
    """Under its own type or another, in this call or the next."""
    (first, *rest) = await bench.append(
        unsigned("1", "a", 0), unsigned("1", "a", 0), unsigned("1", "b", 0)
    )
    (later,) = await bench.append(unsigned("1", "c", 2))

    assert [*rest, later] == [Duplicate(entry_id(first))] * 3
    assert set(await bench.streams()) == {"unidentified"}


def test_what_began_an_hour_ago_counts_no_more(clocked: Clocked) -> None:
    """To the ms, by the store's clock."""
    begun = misplaced(clocked.append(unsigned("1", "a", 1), unsigned("2", "b", 1)))
    clocked.now_ms += HOUR_MS - 1
    shortly_before = misplaced(clocked.append(unsigned("3", "b", 1)))
    clocked.now_ms += 1
    after = misplaced(clocked.append(unsigned("4", "b", 1), unsigned("5", "c", 1)))

    assert begun == [False, True]
    assert shortly_before == [True]
    assert after == [False, True]
    assert types_of(clocked.client) == {"a", "b", "unidentified"}


def test_known_types_are_never_limited(clocked: Clocked) -> None:
    """Nor one whose stream has gone: the tag has it already."""
    clocked.append(unsigned("1", "a", 1))
    clocked.client.delete(KEYS.stream(TAG, "a"))
    clocked.now_ms += 1
    verdicts = clocked.append(unsigned("2", "a", 1), unsigned("3", "a", 0))

    assert misplaced(verdicts) == [False, False]


def test_signed_types_are_not_limited_but_count(clocked: Clocked) -> None:
    """They are the sender's own, and there are as many as it has."""
    verdicts = clocked.append(
        unsigned("1", "a", None), unsigned("2", "b", None), unsigned("3", "c", 2)
    )

    assert misplaced(verdicts) == [False, False, True]


def test_unidentified_is_none_of_them(clocked: Clocked) -> None:
    """That something was without a type takes nothing from those that have one."""
    verdicts = clocked.append(
        unsigned("1", "unidentified", 1), unsigned("2", "a", 1), unsigned("3", "b", 1)
    )

    assert misplaced(verdicts) == [False, False, True]


def test_the_whole_number_of_types_holds_as_well(clocked: Clocked) -> None:
    """Whichever of the two is reached first."""
    verdicts = clocked.append(unsigned("1", "a", 9, max_types=1), unsigned("2", "b", 9, 1))

    assert misplaced(verdicts) == [False, True]


def test_a_clock_that_was_wrong_does_not_stop_new_types_for_long(clocked: Clocked) -> None:
    """What began more than an hour ahead is not of the last hour; what began just ahead is."""
    clocked.now_ms += HOUR_MS
    clocked.append(unsigned("1", "a", 1))
    clocked.now_ms -= HOUR_MS - 1
    near = misplaced(clocked.append(unsigned("2", "b", 1)))
    clocked.now_ms -= 1
    far = misplaced(clocked.append(unsigned("3", "b", 1)))

    assert (near, far) == ([True], [False])


# --- events of which nothing is proved


@pytest.mark.parametrize("before", [(), ("unidentified",)], ids=["absent", "present"])
@pytest.mark.parametrize("first", ["stranger", "sender"])
async def test_a_stranger_changes_nothing_for_the_sender(
    bench: Bench, before: tuple[str, ...], first: str
) -> None:
    """Not by guessing an id, nor by another type or body for it, before the event or after it."""
    await bench.append(*(make_identified(f"old {name}", name) for name in before))
    claims: dict[str, Assurance] = {"stranger": "none", "sender": "body"}
    for who in (first, *(claims.keys() - {first})):
        event_type = "invented" if who == "stranger" else "message.new"
        claimed = make_identified("evt_1", event_type, data=who.encode(), assurance=claims[who])
        (result,) = await bench.append(claimed)
        assert isinstance(result, Appended)
    (again,) = await bench.append(make_identified("evt_1", data=b"sender"))
    (event,) = (await bench.events()).values()
    strange = list((await bench.events("unidentified")).values())[-1]

    assert isinstance(again, Duplicate)
    assert (event.data, event.assurance) == (b"sender", "body")
    assert (strange.data, strange.original_type) == (b"stranger", "invented")
    assert set(await bench.streams()) == {"message.new", "unidentified"}
    assert bench.heard.changed == []


@pytest.mark.parametrize("per_hour", [None, 20])
async def test_nothing_unproved_begins_a_type_whatever_may(
    bench: Bench, per_hour: int | None
) -> None:
    """The number of new types is for those of which something is proved."""
    event = make_identified("evt_1", "invented", assurance="none")
    await bench.append(msgspec.structs.replace(event, max_new_types_per_hour=per_hour))

    assert set(await bench.streams()) == {"unidentified"}
    assert ("unipile", "invented") not in bench.heard.new_streams
