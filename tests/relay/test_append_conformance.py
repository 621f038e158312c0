"""One entry for each event, asked alike of the store in memory and of real servers."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.append import Limits
from relay.contract.connect import connect
from relay.contract.errors import StoreUnavailable
from relay.contract.event import Appended, Duplicate
from relay.contract.wire import Command, Wire
from tests.making import body_of, make_identified
from tests.relay.appending import KEYS, Bench, entry_id, has_run, make_bench
from tests.servers import Server
from tests.waiting import wait_until


async def test_a_new_event_is_appended_as_it_is(bench: Bench) -> None:
    """The entry holds the event, its stream is registered, and its identity is remembered."""
    identified = make_identified("evt_1", data=b"\x00\xff\r\n")

    (result,) = await bench.append(identified)

    assert isinstance(result, Appended)
    assert await bench.events() == {result.entry_id: identified.event}
    assert await bench.streams() == {"message.new": f"1 {result.entry_id}"}
    assert bench.heard.new_streams == [("unipile", "message.new")]
    assert len(await bench.marks()) == 1


async def test_a_repeat_is_answered_with_the_first_entry(bench: Bench) -> None:
    """However often an event comes, it has one entry, and every answer names it."""
    (first,) = await bench.append(make_identified("evt_1"))

    repeats = [(await bench.append(make_identified("evt_1")))[0] for _ in range(3)]

    assert repeats == [Duplicate(entry_id(first))] * 3
    assert len(await bench.events()) == 1
    assert bench.heard.changed == []


async def test_a_known_id_with_another_body_is_told(bench: Bench) -> None:
    """The second body is dropped, answered as a duplicate, and reported."""
    (first,) = await bench.append(make_identified("evt_1", data=b"one"))

    (second,) = await bench.append(make_identified("evt_1", data=b"two"))

    assert second == Duplicate(entry_id(first), changed_body=True)
    assert [event.data for event in (await bench.events()).values()] == [b"one"]
    assert bench.heard.changed == ["unipile"]


async def test_a_repeat_within_the_batch_is_a_duplicate(bench: Bench) -> None:
    """Two deliveries of one event in the same flush make one entry."""
    first, second, other = await bench.append(
        make_identified("evt_1"), make_identified("evt_1"), make_identified("evt_2")
    )

    assert isinstance(first, Appended)
    assert second == Duplicate(first.entry_id)
    assert isinstance(other, Appended)
    assert len(await bench.events()) == 2
    assert bench.heard.flushes == [3]


async def test_an_id_is_known_across_types(bench: Bench) -> None:
    """The identity is the endpoint's: the same id under another type is the same event."""
    (first,) = await bench.append(make_identified("evt_1", "message.new"))

    (second,) = await bench.append(make_identified("evt_1", "email.new"))

    assert entry_id(second) == entry_id(first)
    assert await bench.events("email.new") == {}


async def test_an_id_is_not_known_in_another_tag(bench: Bench) -> None:
    """Two endpoints may use the same ids."""
    results = await bench.append(
        make_identified("evt_1", tag="unipile"), make_identified("evt_1", tag="github")
    )

    assert [type(result) for result in results] == [Appended, Appended]


async def test_a_stream_of_another_type_fails_its_own_event_alone(bench: Bench) -> None:
    """A key that is no stream spoils its event and no neighbour, and leaves no mark."""
    await bench.client.set(KEYS.stream("unipile", "bad"), "x", ex=60)

    good, bad, other = await bench.append(
        make_identified("evt_1"), make_identified("evt_2", "bad"), make_identified("evt_3")
    )

    assert [type(result) for result in (good, other)] == [Appended, Appended]
    assert isinstance(bad, StoreUnavailable)
    assert len(await bench.events()) == 2
    assert len(await bench.marks()) == 2
    assert "bad" not in await bench.streams()

    await bench.client.delete(KEYS.stream("unipile", "bad"))
    (again,) = await bench.append(make_identified("evt_2", "bad"))
    assert isinstance(again, Appended)


async def test_books_of_another_type_refuse_and_leave_nothing(bench: Bench) -> None:
    """Where the registration cannot be read nothing is written and nothing remembered."""
    await bench.client.set(KEYS.streams("unipile"), "x", ex=60)

    (refused,) = await bench.append(make_identified("evt_1"))

    assert isinstance(refused, StoreUnavailable)
    assert await bench.events() == {}
    assert await bench.marks() == {}


async def test_an_event_whose_stream_was_deleted_is_appended_again(bench: Bench) -> None:
    """A mark that points to nothing is no reason to drop the event."""
    (first,) = await bench.append(make_identified("evt_1"))
    await bench.delete_stream()

    (again,) = await bench.append(make_identified("evt_1"))
    (repeat,) = await bench.append(make_identified("evt_1"))

    assert isinstance(again, Appended)
    assert repeat == Duplicate(again.entry_id)
    assert list(await bench.events()) == [again.entry_id]
    assert await bench.streams() == {"message.new": f"1 {again.entry_id}"}
    assert entry_id(first) != again.entry_id
    assert bench.heard.new_streams == [("unipile", "message.new")] * 2


async def test_an_event_from_before_the_present_stream_is_appended_again(bench: Bench) -> None:
    """A stream that was deleted and begun anew does not hold what came before."""
    await bench.append(make_identified("evt_1"))
    await bench.delete_stream()
    (newer,) = await bench.append(make_identified("evt_2"))

    (again,) = await bench.append(make_identified("evt_1"))

    assert isinstance(again, Appended)
    assert list(await bench.events()) == [entry_id(newer), again.entry_id]
    assert await bench.streams() == {"message.new": f"1 {entry_id(newer)}"}


@pytest.mark.parametrize("left", [None, "not of our form"])
async def test_lost_books_do_not_make_repeats_new(bench: Bench, left: str | None) -> None:
    """A stream that the books have lost is written into them again, from its first entry on."""
    (first,) = await bench.append(make_identified("evt_1"))
    await bench.client.delete(KEYS.streams("unipile"))
    if left is not None:
        await bench.client.hset(KEYS.streams("unipile"), "message.new", left)

    (repeat,) = await bench.append(make_identified("evt_1"))
    await bench.append(make_identified("evt_2"))
    (later,) = await bench.append(make_identified("evt_1"))

    assert [repeat, later] == [Duplicate(entry_id(first))] * 2
    assert len(await bench.events()) == 2
    assert (await bench.streams())["message.new"].endswith(f" {entry_id(first)}")


async def test_types_are_numbered_as_they_come(bench: Bench) -> None:
    """Each stream's registration has its own number and its first entry id."""
    first, second = await bench.append(make_identified("1", "a"), make_identified("2", "b"))
    await bench.append(make_identified("3", "a"))

    assert await bench.streams() == {"a": f"1 {entry_id(first)}", "b": f"2 {entry_id(second)}"}
    assert bench.heard.new_streams == [("unipile", "a"), ("unipile", "b")]


async def test_no_number_is_given_twice(bench: Bench) -> None:
    """Not even where somebody has taken a stream out of the books."""
    await bench.append(make_identified("1", "a"), make_identified("2", "b"))
    await bench.client.hdel(KEYS.streams("unipile"), "a")

    (third,) = await bench.append(make_identified("3", "c"))

    assert (await bench.streams())["c"] == f"3 {entry_id(third)}"


async def test_types_beyond_the_limit_are_unidentified(bench: Bench) -> None:
    """A tag with all the types it may have stores further ones together, their type kept."""
    await bench.append(make_identified("1", "a", max_types=2), make_identified("2", "b"))

    (result,) = await bench.append(make_identified("3", "c", max_types=2))

    (event,) = (await bench.events("unidentified")).values()
    assert isinstance(result, Appended)
    assert (event.id, event.type, event.original_type) == ("3", "unidentified", "c")
    assert event.data == body_of("3")
    assert set(await bench.streams()) == {"a", "b", "unidentified"}
    assert await bench.events("c") == {}
    assert bench.heard.misplacements == ["unipile"]


async def test_known_types_go_on_beyond_the_limit(bench: Bench) -> None:
    """The limit is on new types only."""
    await bench.append(make_identified("1", "a", max_types=1))

    await bench.append(make_identified("2", "a", max_types=1))

    assert len(await bench.events("a")) == 2
    assert bench.heard.misplacements == []


async def test_events_beyond_the_limit_are_known_too(bench: Bench) -> None:
    """A repeat of a misplaced event is a duplicate, whatever was misplaced after it."""
    await bench.append(make_identified("1", "a", max_types=1))
    (second,) = await bench.append(make_identified("2", "b", max_types=1))
    await bench.append(make_identified("3", "c", max_types=1))

    (repeat,) = await bench.append(make_identified("2", "b", max_types=1))

    assert repeat == Duplicate(entry_id(second))
    assert len(await bench.events("unidentified")) == 2
    assert bench.heard.new_streams == [("unipile", "a"), ("unipile", "unidentified")]


async def test_unproved_events_have_an_index_of_their_own(bench: Bench) -> None:
    """A stranger who guesses an id cannot suppress the sender's event, nor the reverse."""
    await bench.append(make_identified("evt_0"))
    (stranger,) = await bench.append(make_identified("evt_1", assurance="none"))
    (sender,) = await bench.append(make_identified("evt_1"))
    (again,) = await bench.append(make_identified("evt_1", assurance="none"))

    assert [type(one) for one in (stranger, sender)] == [Appended, Appended]
    assert again == Duplicate(entry_id(stranger))
    assert set(await bench.books()) == {
        KEYS.seen("unipile", "ids"),
        KEYS.seen_none("unipile", "ids"),
    }


async def test_unproved_events_register_no_type(bench: Bench) -> None:
    """What nothing proves makes no stream of its own; a known type may be its home."""
    await bench.append(make_identified("1", "known"))

    await bench.append(
        make_identified("2", "known", assurance="none"),
        make_identified("3", "invented", assurance="none"),
    )

    assert len(await bench.events("known")) == 2
    assert await bench.events("invented") == {}
    (event,) = (await bench.events("unidentified")).values()
    assert (event.id, event.original_type) == ("3", "invented")
    assert set(await bench.streams()) == {"known", "unidentified"}


async def test_a_forgotten_script_is_sent_again(bench: Bench) -> None:
    """A store that has lost its scripts, as after a restart, gets the script with the events."""
    await bench.append(make_identified("evt_1"))
    await bench.client.script_flush()

    results = await bench.append(
        make_identified("evt_1"), make_identified("evt_2"), make_identified("evt_3", tag="github")
    )

    assert [type(result) for result in results] == [Duplicate, Appended, Appended]
    assert len(await bench.events()) == 2


async def test_a_lost_reply_makes_no_second_entry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a batch whose reply never came was stored is found out by sending it again."""
    exchange = Wire.exchange
    lost: list[Any] = []

    async def lossy(wire: Wire, commands: Sequence[Command]) -> list[Any]:
        replies = await exchange(wire, commands)
        if len(lost) < 2 and has_run(replies):
            lost.append(replies)
            raise RedisConnectionError
        return replies

    monkeypatch.setattr(Wire, "exchange", lossy)

    results = await bench.append(make_identified("evt_1"), make_identified("evt_2"))

    assert len(lost) == 2
    assert [type(result) for result in results] == [Duplicate] * 2
    assert [entry_id(result) for result in results] == list(await bench.events())
    assert bench.heard.connections == 1


@pytest.mark.redis
async def test_a_restart_loses_nothing(own_server: Server) -> None:
    """After a kill and a restart the same appender goes on, and knows what it stored."""
    client = connect(own_server.url, role="test")
    bench = make_bench(client, limits=Limits(deadline_seconds=20))
    (first,) = await bench.append(make_identified("evt_1"))

    own_server.kill()
    calls = asyncio.gather(bench.append(make_identified("evt_1"), make_identified("evt_2")))
    await wait_until(lambda: bench.appender._failing, description="a flush failed")
    await asyncio.to_thread(own_server.start)
    ((repeat, new),) = await calls
    events = await bench.events()
    await client.aclose()

    assert repeat == Duplicate(entry_id(first))
    assert list(events) == [entry_id(first), entry_id(new)]
    assert bench.heard.connections == 1


@pytest.mark.redis
async def test_a_sleeping_store_is_not_waited_for_beyond_the_deadline(own_server: Server) -> None:
    """A store that holds the connection and says nothing gets no event lost and none doubled."""
    client = connect(own_server.url, role="test", timeout_seconds=0.2)
    bench = make_bench(client, limits=Limits(deadline_seconds=0.5))
    await bench.append(make_identified("evt_0"))

    own_server.fall_asleep()
    (refused,) = await bench.append(make_identified("evt_1"))
    own_server.wake_up()
    await wait_until(lambda: _stored(bench), description="the sender's retry got in")
    ids = [event.id for event in (await bench.events()).values()]
    await client.aclose()

    assert isinstance(refused, StoreUnavailable)
    assert ids == ["evt_0", "evt_1"]


async def _stored(bench: Bench) -> bool:
    (result,) = await bench.append(make_identified("evt_1"))
    return isinstance(result, Appended | Duplicate)
