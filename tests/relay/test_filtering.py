"""What becomes of events that a filter drops or diverts, over a store in memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.append import Appender
from relay.contract.entry import decode
from relay.contract.errors import StoreFull
from relay.contract.event import Appended, Duplicate, Event
from relay.contract.keys import UNIDENTIFIED, Keys
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.metrics import Metrics
from relay.pipeline import Accepted, Filtered, Pipeline
from relay.provider import Places, Provider
from relay.providers import PROVIDERS
from relay.scheme import Signature, Unsigned
from relay.verify import sign_for
from tests.fakes import fake_store
from tests.making import make_delivery, make_signed
from tests.relay.filtering import filtering

KEYS, UNIPILE = Keys(), PROVIDERS["unipile"]
BODY = b'{"id":"evt_1","type":"message.new","account_id":"acc_1","payload":{"is_sender":true}}'
OWN = {"pointer": "/payload/is_sender", "equals": True}
DIVERTED = {**OWN, "then": "divert", "to": "message.own"}
MANY = Provider(
    name="many",
    title="Many",
    scheme=Signature(header="x-signature"),
    event=Places(id="{body.id}", type="{body.type}", split="[]"),
)


class Bench:
    """A pipeline over a store, and what it counts."""

    def __init__(self, client: Redis) -> None:
        self.client, self.metrics = client, Metrics()
        self._pipeline = Pipeline(Appender(client, KEYS), {}, metrics=self.metrics)

    async def take(self, delivery: Delivery) -> Appended | Duplicate | Any:
        """Take a delivery, and say what became of it."""
        done = await self._pipeline.accept(delivery)

        assert isinstance(done, Accepted)
        return done.result

    async def send(self, body: bytes, endpoint: Endpoint) -> Appended | Duplicate | Any:
        """Take a signed one."""
        headers = sign_for(endpoint, body, 0)
        return await self.take(make_delivery(body, headers, endpoint=endpoint))

    async def stored(self, event_type: str, tag: str = "unipile") -> list[Event]:
        """Read a stream."""
        raw: Any = await self.client.xrange(KEYS.stream(tag, event_type))
        return [decode(fields) for _, fields in raw]

    def counted(self) -> dict[str, float]:
        """Give what was counted of filters."""
        rows = self.metrics.tally().counters
        return {" ".join((name, *labels)): count for name, labels, count in rows}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """An empty store in memory, and what fills it."""
    client = fake_store()
    yield Bench(client)
    await client.aclose()


async def test_a_dropped_event_is_counted_and_leaves_nothing(bench: Bench) -> None:
    """Not even in the dedupe index: without the rule it is new."""
    result = await bench.take(make_signed(BODY, endpoint=filtering(OWN)))
    keys = await bench.client.keys()
    later = await bench.take(make_signed(BODY))

    assert isinstance(result, Filtered)
    assert keys == []
    assert isinstance(later, Appended)
    assert bench.counted() == {"relay_filtered_events unipile 0": 1}


async def test_the_lists_of_what_is_wanted_are_counted_by_their_names(bench: Bench) -> None:
    """Beside the numbers of the rules."""
    other = filtering(accounts=frozenset({"acc_2"}))
    await bench.take(make_signed(BODY, endpoint=other))
    await bench.take(make_signed(BODY, endpoint=other))

    assert bench.counted() == {"relay_filtered_events unipile accounts": 2}


async def test_a_diverted_event_is_stored_under_the_rules_type(bench: Bench) -> None:
    """Its own is kept beside it, and its bytes are as they came."""
    first, second = {"pointer": "/other", "exists": True}, DIVERTED
    result = await bench.take(make_signed(BODY, endpoint=filtering(first, second)))

    (event,) = await bench.stored("message.own")
    assert isinstance(result, Appended)
    assert (event.id, event.original_type, event.data) == ("evt_1", "message.new", BODY)
    assert (event.account, event.assurance) == ("acc_1", "body")
    assert await bench.stored("message.new") == []
    assert bench.counted() == {"relay_diverted_events unipile 1": 1}


async def test_a_known_event_is_a_duplicate_whatever_the_filters_say(bench: Bench) -> None:
    """Before a rule was set and after it was taken away."""
    before = await bench.take(make_signed(BODY))
    diverted = await bench.take(make_signed(BODY, endpoint=filtering(DIVERTED)))
    other = BODY.replace(b"evt_1", b"evt_2")
    first = await bench.take(make_signed(other, endpoint=filtering(DIVERTED)))
    after = await bench.take(make_signed(other))

    assert diverted == Duplicate(before.entry_id)
    assert after == Duplicate(first.entry_id)
    assert [event.id for event in await bench.stored("message.new")] == ["evt_1"]
    assert [event.id for event in await bench.stored("message.own")] == ["evt_2"]


async def test_the_operators_type_is_not_one_of_the_new_types_of_an_hour(bench: Bench) -> None:
    """Whoever can make up types cannot have it refused."""
    github = PROVIDERS["github"]
    endpoint = filtering(DIVERTED, provider=github, max_new_types_per_hour=1)

    def headers(number: int) -> dict[str, str]:
        return {"x-github-event": f"made-up-{number}", "x-github-delivery": f"id-{number}"}

    for number, body in enumerate((b'{"n":1}', b'{"n":2}', BODY)):
        signed = {**sign_for(endpoint, body, 0), **headers(number)}
        await bench.take(make_delivery(body, signed, endpoint=endpoint))

    (own,) = await bench.stored("message.own")
    (misplaced,) = await bench.stored(UNIDENTIFIED)
    assert own.original_type == "made-up-2"
    assert misplaced.original_type == "made-up-1"


async def test_a_diverted_event_that_finds_no_room_for_its_type_keeps_its_own(
    bench: Bench,
) -> None:
    """Where there are as many types as there may be, it is unidentified, and says one type."""
    endpoint = filtering(DIVERTED, max_types=1)
    await bench.take(make_signed(BODY.replace(b"true", b"false"), endpoint=endpoint))
    await bench.take(make_signed(BODY.replace(b"evt_1", b"evt_2"), endpoint=endpoint))

    script = "return redis.call('XRANGE', KEYS[1], '-', '+')"
    stream = KEYS.stream("unipile", UNIDENTIFIED)
    ((_, fields),) = await bench.client.eval(script, 1, stream)
    (event,) = await bench.stored(UNIDENTIFIED)
    assert (event.id, event.original_type) == ("evt_2", "message.new")
    assert len(set(fields[::2])) == len(fields[::2])


async def test_what_is_dropped_needs_no_store(bench: Bench) -> None:
    """It is answered while the store has no room, and what is diverted is not."""
    full = Pipeline(Appender(bench.client, KEYS, is_full=lambda: True), {})

    done = await full.accept(make_signed(BODY, endpoint=filtering(OWN)))

    assert isinstance(done, Accepted)
    assert (done.event_id, done.result) == ("evt_1", Filtered())
    with pytest.raises(StoreFull):
        await full.accept(make_signed(BODY, endpoint=filtering(DIVERTED)))


async def test_each_event_of_a_body_is_judged_by_its_own_bytes(bench: Bench) -> None:
    """Some are dropped, some diverted, the rest stored; what stands around them counts not."""
    endpoint = filtering(
        {"pointer": "/bot", "equals": True},
        {"pointer": "/own", "exists": True, "then": "divert", "to": "own"},
        {"pointer": "/0", "exists": True},
        name="many",
        provider=MANY,
    )
    body = (
        b'[{"id":"a","type":"one","bot":true},{"id":"b","type":"one"},'
        b'{"id":"c","type":"one","own":1},{"id":"d","type":"one","bot":true}]'
    )

    result = await bench.send(body, endpoint)
    again = await bench.send(body, endpoint)
    (plain,) = await bench.stored("one", "many")
    (own,) = await bench.stored("own", "many")

    assert isinstance(result, Appended)
    assert isinstance(again, Duplicate)
    assert (plain.id, own.id, own.original_type) == ("b", "c", "one")
    assert (own.data, own.batch_index, own.batch_size) == (
        b'{"id":"c","type":"one","own":1}',
        2,
        4,
    )
    assert bench.counted() == {
        "relay_filtered_events many 0": 4,
        "relay_diverted_events many 1": 2,
    }


async def test_a_body_whose_events_are_all_dropped_is_not_kept(bench: Bench) -> None:
    """Nor is any of them."""
    endpoint = filtering({"types": ["many:*"]}, name="many", provider=MANY)

    result = await bench.send(b'[{"id":"a","type":"one"},{"id":"b","type":"two"}]', endpoint)

    assert isinstance(result, Filtered)
    assert await bench.client.keys() == []
    assert bench.counted() == {"relay_filtered_events many 0": 2}


async def test_what_proves_nothing_begins_no_stream_of_the_operators(bench: Bench) -> None:
    """It is unidentified, as every new type of such events, and says its sender's type."""
    none = Provider(name="none", title="None", scheme=Unsigned(family="none"), event=UNIPILE.event)
    endpoint = filtering(DIVERTED, provider=none)

    await bench.take(make_delivery(BODY, endpoint=endpoint))

    (event,) = await bench.stored(UNIDENTIFIED)
    assert (event.assurance, event.original_type) == ("none", "message.new")
    assert await bench.stored("message.own") == []
