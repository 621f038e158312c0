"""Bodies that hold several events: each of them has an entry, and the whole body is kept once."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.append import Appender
from relay.contract.entry import decode
from relay.contract.errors import StoreFull, StoreUnavailable
from relay.contract.event import Appended, Duplicate, Event, IdentifiedEvent, Spooled
from relay.contract.keys import Keys
from relay.contract.patterns import parse_pattern
from relay.delivery import Delivery
from relay.identify import identify_each
from relay.identify.reading import Reader
from relay.identify.splitting import MAX_ELEMENTS, split
from relay.pipeline import Accepted, Filtered, Pipeline
from relay.provider import Places, Provider
from relay.providers import PROVIDERS
from relay.scheme import Signature
from relay.several import AT_ONCE, append_all
from relay.verify import sign_for, verify
from tests.fakes import fake_store
from tests.making import make_delivery, make_endpoint, make_identified

KEYS = Keys()


def provider(**places: Any) -> Provider:
    """Make a kind of sender that sends several events at once."""
    event = Places(**({"id": "{body.id}", "type": "{body.type}", "split": "[]"} | places))
    return Provider(name="many", title="Many", scheme=Signature(header="x-signature"), event=event)


def delivery(body: bytes, kind: Provider | None = None, **changes: Any) -> Delivery:
    """Make a delivery that its sender signed."""
    endpoint = make_endpoint(name="many", provider=kind or provider(), **changes)
    return make_delivery(body, sign_for(endpoint, body, 0), endpoint=endpoint)


def events_of(body: bytes, kind: Provider | None = None, **changes: Any) -> list[IdentifiedEvent]:
    """Give the events of a signed body."""
    return list(identify_each(verify(delivery(body, kind, **changes))))


@pytest.fixture
async def client() -> AsyncIterator[Redis]:
    """An empty store in memory."""
    made = fake_store()
    yield made
    await made.aclose()


async def entries(client: Redis, event_type: str, tag: str = "many") -> list[Event]:
    """Read the events of a stream."""
    found: Any = await client.xrange(KEYS.stream(tag, event_type))
    return [decode(fields) for _, fields in found]


BODY = b'[ {"id":"a", "type":"one"},\n {"type":"two","id":"b"} ,{"id":"c","type":"one"}]\r\n'


def test_each_element_is_an_event_with_its_exact_bytes() -> None:
    """Blanks within an element are kept, those around it are not its own."""
    found = [event.event for event in events_of(BODY)]

    assert [event.data for event in found] == [
        b'{"id":"a", "type":"one"}',
        b'{"type":"two","id":"b"}',
        b'{"id":"c","type":"one"}',
    ]
    assert [(event.id, event.type) for event in found] == [("a", "one"), ("b", "two"), ("c", "one")]
    assert [(event.batch_index, event.batch_size) for event in found] == [(0, 3), (1, 3), (2, 3)]
    assert len({event.batch_id for event in found}) == 1


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("[]", []),
        ("list[]", [(b"1", b"{W}"), (b"2", b"{W}")]),
        ("deep.list[]", [(b"3", b'{"list":[3]}')]),
        (
            "entry[].changes[]",
            [(b"4", b'{"id":7,"changes":[4,5]}'), (b"5", b'{"id":7,"changes":[4,5]}')],
        ),
        (("nothing[]", "list[]"), [(b"1", b"{W}"), (b"2", b"{W}")]),
        ("deep[]", []),
    ],
)
def test_the_array_is_found_by_its_path(
    paths: str | tuple[str, ...], expected: list[tuple[bytes, bytes]]
) -> None:
    """A path leads through objects and arrays; behind each element is the object with its array."""
    whole = b'{"list":[1,2],"deep":{"list":[3]},"entry":[{"id":7,"changes":[4,5]},{"id":8}]}'

    found = split(whole, paths)

    assert [(one.data, one.surroundings.parent.data) for one in found] == [
        (data, whole if parent == b"{W}" else parent) for data, parent in expected
    ]
    assert all(one.surroundings.whole.data == whole for one in found)


@pytest.mark.parametrize("body", [b"[]", b"{}", b"", b"[1,", b"no", b'{"id":"a","type":"one"}'])
def test_what_holds_no_array_is_one_event(body: bytes) -> None:
    """It was signed, so it is stored as it came."""
    (only,) = events_of(body)

    assert only.event.data == body
    assert (only.event.batch_id, only.event.batch_size) == (None, None)


@pytest.mark.parametrize(
    "cut", [rb"\ud83d", b"\xed\xa0\xbd", rb"\\ \ude00"], ids=["escape", "bytes", "second half"]
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_half_an_emoji_in_one_element_costs_none_its_bytes(cut: bytes, bom: bytes) -> None:
    """Real senders cut texts in the middle; each element is kept as it came all the same."""
    body = bom + b'[{"id":"a","type":"one","x":"%b"},{"id":"b","type":"one","x":"%b"}]' % (cut, cut)

    found = [event.event for event in events_of(body)]

    assert [event.data for event in found] == [
        b'{"id":"a","type":"one","x":"%b"}' % cut,
        b'{"id":"b","type":"one","x":"%b"}' % cut,
    ]
    assert [event.id for event in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("halves", "expected"),
    [
        ((rb"\ud83d", rb"\ud83c", rb"\ud83d"), (rb"\ud83c", rb"\ud83d")),
        ((rb"\uD83D", rb"\ud83d", rb"\uDE00"), (rb"\ud83d", rb"\uDE00")),
        (
            (b"\xed\xa0\xbd", b"\xed\xa0\xbc", b"\xed\xb8\x80"),
            (b"\xed\xa0\xbc", b"\xed\xb8\x80"),
        ),
    ],
)
def test_half_an_emoji_is_not_taken_for_another_half(
    halves: tuple[bytes, ...], expected: tuple[bytes, ...]
) -> None:
    """An element is not cut out where something stands that differs only in its half."""
    body = b'{"before":{"x":"%b"},"all":[{"x":"%b"},{"x":"%b"}]}' % halves

    found = [element.data for element in split(body, "all[]")]

    assert found == [b'{"x":"%b"}' % half for half in expected]


def test_more_elements_than_anyone_sends_stay_in_one_piece() -> None:
    """So long an array is one event, and not a gateway's whole attention."""
    most = b"[%b]" % b",".join([b"1"] * MAX_ELEMENTS)

    assert len(split(most, "[]")) == MAX_ELEMENTS
    assert split(most[:-1] + b",1]", "[]") == []


def test_equal_elements_under_an_id_of_the_delivery_are_different_events() -> None:
    """As of Attio, whose header names the delivery; an equal one again is the one that it was."""
    endpoint = make_endpoint(provider=PROVIDERS["attio"])
    body = b'{"events":[{"event_type":"x"},{"event_type":"x"}]}'
    headers = sign_for(endpoint, body, 0) | {"idempotency-key": "one"}
    verified = verify(make_delivery(body, headers, endpoint=endpoint))

    first, again = list(identify_each(verified)), list(identify_each(verified))

    assert [event.event.id for event in first] == ["one:0", "one:1"]
    assert len({event.identity for event in first}) == 2
    assert [event.identity for event in first] == [event.identity for event in again]


def test_equal_elements_without_an_id_are_different_events() -> None:
    """And when the delivery comes again, each is the one that it was."""
    body = b'[{"type":"x"},{"type":"x"},{"type":"y"}]'

    first, again = events_of(body), events_of(body)

    assert len({event.identity for event in first}) == 3
    assert [event.identity for event in first] == [event.identity for event in again]


def test_an_element_may_say_whose_it_is_around_it() -> None:
    """Places name the object with the array, and the whole body."""
    kind = provider(
        split="entry[].changes[]", type="{whole.object}.{body.field}", account="{parent.id}"
    )
    body = b'{"object":"page","entry":[{"id":"acc","changes":[{"id":"1","field":"feed"}]}]}'

    (only,) = events_of(body, kind)

    assert (only.event.type, only.event.account, only.event.id) == ("page.feed", "acc", "1")


def test_what_stands_around_elements_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: else a long array would cost its square."""
    kind = provider(
        split="entry[].changes[]", type="{whole.object}.{body.field}", account="{parent.id}"
    )
    changes = ",".join('{"field":"feed"}' for _ in range(50))
    whole = f'{{"object":"page","entry":[{{"id":"acc","changes":[{changes}]}}]}}'.encode()
    read, lengths = Reader.read, []

    def counted(reader: Reader, plain: bytes) -> Any:
        lengths.append(len(plain))
        return read(reader, plain)

    monkeypatch.setattr(Reader, "read", counted)

    assert len(events_of(whole, kind)) == 50
    assert sum(length > 50 for length in lengths) == 2


def test_a_packed_body_is_split_too() -> None:
    """Elements are not packed any more, and say so."""
    found = events_of(gzip.compress(BODY, mtime=0))

    assert [event.event.id for event in found] == ["a", "b", "c"]
    assert found[0].event.content_encoding is None


async def test_all_events_of_a_delivery_are_stored_and_its_body_once(client: Redis) -> None:
    """The answer is that of the first; the whole body lies beside the entries for a while."""
    appender = Appender(client, KEYS)

    done = await Pipeline(appender, {}).accept(delivery(BODY))

    stored = await entries(client, "one") + await entries(client, "two")
    (batch_id,) = {event.batch_id for event in stored}
    key = KEYS.batch("many", batch_id or "")

    assert isinstance(done, Accepted)
    assert done.event_id == "a"
    assert isinstance(done.result, Appended)
    assert sorted(event.id for event in stored) == ["a", "b", "c"]
    assert await client.get(key) == BODY
    assert await client.ttl(key) > 0


async def test_a_long_body_is_packed(client: Redis) -> None:
    """Events of one sender are much alike, so their whole is short."""
    body = json.dumps(
        [{"id": str(n), "type": "one", "text": "x" * 50} for n in range(900)]
    ).encode()

    await Pipeline(Appender(client, KEYS), {}).accept(delivery(body))

    (key,) = await client.keys("*@batch:*")
    kept: Any = await client.get(key)

    assert gzip.decompress(kept) == body
    assert len(kept) < len(body) / 4


async def test_each_partition_has_the_whole_body(client: Redis) -> None:
    """Whoever reads an entry finds it in the entry's own slot."""
    body = json.dumps(
        [{"id": str(n), "type": "one", "account": f"acc_{n}"} for n in range(20)]
    ).encode()

    await Pipeline(Appender(client, KEYS), {}).accept(
        delivery(body, provider(account="{body.account}"), partitions=3)
    )

    assert len(await client.keys("relay:{many#*}@batch:*")) == 3


async def test_a_retry_after_a_crash_in_the_middle_adds_what_is_missing(client: Redis) -> None:
    """Whatever of it was stored is a duplicate now, so each event is there once."""

    class Dying:
        """Takes some events, and then no more."""

        def __init__(self, appender: Appender, left: int) -> None:
            self._appender, self._left = appender, left

        async def append(self, identified: IdentifiedEvent) -> Appended | Duplicate:
            self._left -= 1
            if self._left < 0:
                raise StoreUnavailable("gone")
            return await self._appender.append(identified)

    body = json.dumps([{"id": str(n), "type": "one"} for n in range(300)]).encode()
    appender = Appender(client, KEYS)
    with pytest.raises(StoreUnavailable):
        await Pipeline(Dying(appender, 150), {}).accept(delivery(body))
    assert 0 < await client.xlen(KEYS.stream("many", "one")) < 300

    done = await Pipeline(appender, {}).accept(delivery(body))
    again = await Pipeline(appender, {}).accept(delivery(body))

    assert isinstance(done, Accepted)
    assert isinstance(again, Accepted)
    assert isinstance(done.result, Appended)
    assert isinstance(again.result, Duplicate)
    assert sorted(int(event.id) for event in await entries(client, "one")) == list(range(300))


async def test_an_endpoints_filter_is_for_each_event(client: Redis) -> None:
    """What is not wanted is left out, and a delivery of such events only is not stored."""
    appender = Appender(client, KEYS)
    wanted: Any = {"event_types": (parse_pattern("many:two"),)}

    some = await Pipeline(appender, {}).accept(delivery(BODY, **wanted))
    none = await Pipeline(appender, {}).accept(delivery(b'[{"id":"z","type":"one"}]', **wanted))

    assert isinstance(some, Accepted)
    assert isinstance(some.result, Appended)
    assert isinstance(none, Accepted)
    assert (none.event_id, none.result) == ("z", Filtered())
    assert [event.id for event in await entries(client, "two")] == ["b"]
    assert await client.xlen(KEYS.stream("many", "one")) == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([Appended("1-0"), Appended("2-0")], Appended("1-0")),
        ([Duplicate("1-0"), Appended("2-0")], Appended("2-0")),
        ([Duplicate("1-0"), Duplicate("2-0")], Duplicate("1-0")),
        ([Appended("1-0"), Spooled()], Spooled()),
    ],
)
async def test_one_result_stands_for_all(given: list[Any], expected: object) -> None:
    """New is what has something new in it, and spooled what is not all in the store yet."""
    coming = iter(given)

    async def append(_: IdentifiedEvent) -> Any:
        return next(coming)

    found = await append_all([make_identified(str(n)) for n in range(len(given))], append)

    assert found == expected


async def test_one_event_that_is_not_stored_refuses_the_delivery() -> None:
    """What was stored besides is known when the sender comes again."""
    stored: list[str] = []

    async def append(identified: IdentifiedEvent) -> Appended:
        if identified.event.id == "5":
            raise StoreFull
        stored.append(identified.event.id)
        return Appended("1-0")

    with pytest.raises(StoreFull):
        await append_all([make_identified(str(n)) for n in range(AT_ONCE + 9)], append)

    assert len(stored) == AT_ONCE - 1
