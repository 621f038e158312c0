"""The whole story of a delivery, over a store in memory."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from relay.append import Appender
from relay.contract.errors import RateLimited, SignatureRefused, StoreFull
from relay.contract.event import Appended, Duplicate
from relay.contract.keys import Keys
from relay.contract.patterns import parse_pattern
from relay.delivery import Delivery
from relay.pipeline import Accepted, Filtered, Pipeline
from relay.rate import Rate
from tests.fakes import fake_store
from tests.making import make_delivery, make_endpoint, make_signed
from tests.signing import signed

BODY = b'{"id":"evt_1","type":"message.new","account_id":"acc_1"}'
STREAM = Keys().stream("unipile", "message.new")


async def accept(delivery: Delivery, appender: Appender) -> Accepted:
    """Take a delivery without any rate."""
    done = await Pipeline(appender, {}).accept(delivery)

    assert isinstance(done, Accepted)
    return done


@pytest.fixture
async def client() -> AsyncIterator[Redis]:
    """An empty store in memory."""
    made = fake_store()
    yield made
    await made.aclose()


async def test_a_delivery_goes_from_the_wire_into_its_stream(client: Redis) -> None:
    """The first is appended, the second a duplicate of it."""
    appender = Appender(client, Keys())

    first = await accept(make_signed(BODY), appender)
    second = await accept(make_signed(BODY), appender)

    assert isinstance(first.result, Appended)
    assert second.result == Duplicate(first.result.entry_id)
    assert (first.event_id, second.event_id) == ("evt_1", "evt_1")
    assert await client.xlen(STREAM) == 1


async def test_what_does_not_verify_reaches_no_store(client: Redis) -> None:
    """A refused signature stops the story at its first step."""
    with pytest.raises(SignatureRefused, match="signature_mismatch"):
        await accept(make_delivery(BODY, signed(b"another body")), Appender(client, Keys()))

    assert await client.keys() == []


@pytest.mark.parametrize(
    ("accounts", "patterns", "wanted"),
    [
        ([], [], True),
        (["acc_1", "acc_2"], [], True),
        (["acc_2"], [], False),
        ([], ["unipile:message.*"], True),
        ([], ["email:*", "*:message.new"], True),
        ([], ["unipile:email.*"], False),
        ([], ["other:message.new"], False),
        (["acc_1"], ["unipile:email.*"], False),
        (["acc_2"], ["unipile:message.*"], False),
    ],
)
async def test_an_endpoint_may_want_some_events_only(
    client: Redis, accounts: list[str], patterns: list[str], *, wanted: bool
) -> None:
    """Both filters must let an event through; an empty one lets all."""
    endpoint = make_endpoint(
        accounts=frozenset(accounts), event_types=tuple(parse_pattern(text) for text in patterns)
    )

    done = await accept(make_signed(BODY, endpoint=endpoint), Appender(client, Keys()))

    assert isinstance(done.result, Appended if wanted else Filtered)
    assert await client.xlen(STREAM) == int(wanted)


async def test_what_is_not_wanted_needs_no_store(client: Redis) -> None:
    """An event that the filter refuses is answered even while the store has no room."""
    appender = Appender(client, Keys(), is_full=lambda: True)
    endpoint = make_endpoint(accounts=frozenset({"acc_2"}))

    done = await accept(make_signed(BODY, endpoint=endpoint), appender)

    assert isinstance(done.result, Filtered)
    with pytest.raises(StoreFull):
        await accept(make_signed(BODY), appender)


async def test_an_endpoint_may_have_a_rate(client: Redis) -> None:
    """What is over it is not stored; strangers and other endpoints use none of it."""
    pipeline = Pipeline(Appender(client, Keys()), {"unipile": Rate(1.0, 2, clock=lambda: 0.0)})
    other = make_endpoint(name="other")

    with pytest.raises(SignatureRefused):
        await pipeline.accept(make_delivery(BODY, signed(b"another body")))
    for _ in range(3):
        await pipeline.accept(make_signed(BODY, endpoint=other))
    for _ in range(2):
        await pipeline.accept(make_signed(BODY))
    with pytest.raises(RateLimited):
        await pipeline.accept(make_signed(BODY))

    assert await client.xlen(STREAM) == 1
