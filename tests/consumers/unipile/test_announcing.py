"""The events of gaps: what they hold, that they are stored once, and who is told."""

import msgspec
import pytest
from redis.asyncio import Redis

from consumers.unipile.account_gaps.announcing import identified
from relay.append import Appender
from relay.contract.accounts import GAP_TYPE, Gap
from relay.contract.caps import Cap, Caps
from relay.contract.connect import text_of
from relay.contract.errors import StoreUnavailable, StreamFull
from relay.contract.event import Appended
from relay.contract.held import written
from relay.contract.patterns import parse_pattern
from tests.consumers.unipile.accounts_model import Told, moment
from tests.consumers.unipile.watching import (
    KEYS,
    TAG,
    announced,
    book_of,
    given,
    ids,
    take_all,
    watching,
)
from tests.making import make_identified

pytestmark = pytest.mark.redis

DOWN, UP = Told("acc_1", 10, "disconnected", "recruiter"), Told("acc_1", 20.5, "running")
ID = f"gap:acc_1:{moment(10)}"


async def test_a_closed_gap_is_an_event_of_its_endpoint(store: Redis) -> None:
    """With the account, both times, and as much proved as of what closed it."""
    async with watching(store) as gaps:
        await gaps.take(given(DOWN.event(endpoint="mail"), "mail#3"))
        await gaps.take(given(UP.event(endpoint="mail", assurance="sender"), "mail#3"))
    (event,) = await announced(store, "mail#3")

    assert (event.id, event.type, event.source) == (ID, GAP_TYPE, "/webhooks/mail")
    assert (event.account, event.time, event.assurance) == ("acc_1", moment(20.5), "sender")
    assert event.content_type == "application/json"
    assert msgspec.json.decode(event.data) == {
        "account": "acc_1",
        "opened": moment(10),
        "closed": moment(20.5),
        "product": "recruiter",
    }


async def test_products_that_drop_together_have_events_of_their_own(store: Redis) -> None:
    """The first has the plain id, the others their product behind it; the account's has none."""
    together = [Told("acc_1", 10, "errored", product) for product in ("classic", "recruiter", None)]
    async with watching(store) as gaps:
        await take_all(gaps, [*together[:2], UP, together[2]])

    assert await ids(store) == [ID, f"{ID}:recruiter", f"{ID}:"]


async def test_a_new_stream_is_told_and_its_configured_groups_miss_nothing(store: Redis) -> None:
    """As where a gateway begins one."""
    for group, pattern in (("crm", f"*:{GAP_TYPE}"), ("other", "mail:*")):
        await store.hset(KEYS.groups(TAG), group, b"1 " + written([parse_pattern(pattern)]))
    async with watching(store) as gaps:
        await take_all(gaps, [DOWN, UP, Told("acc_1", 30, "errored"), Told("acc_1", 31, "running")])
    groups = await store.xinfo_groups(KEYS.stream(TAG, GAP_TYPE))
    news = await store.xrange(KEYS.control)

    assert [(text_of(each["name"]), text_of(each["last-delivered-id"])) for each in groups] == [
        ("crm", "0-0")
    ]
    assert [fields for _, fields in news or []] == [
        {b"what": b"stream", b"tag": TAG.encode(), b"type": GAP_TYPE.encode()}
    ]
    assert await store.hexists(KEYS.streams(TAG), GAP_TYPE)


async def test_books_that_cannot_be_read_do_not_hold_up_a_gap(store: Redis) -> None:
    """A gateway makes the groups within a minute, and readers look by themselves."""
    await store.set(KEYS.groups(TAG), "text", ex=60)
    async with watching(store) as gaps:
        await take_all(gaps, [DOWN, UP])

    assert await ids(store) == [ID]
    assert (await book_of(store, "acc_1")).gaps[0].announced


async def test_no_event_of_a_sender_suppresses_a_gap(store: Redis) -> None:
    """Not even one that has its id and body."""
    ours = identified(given(UP.event()), "acc_1", Gap(moment(10), moment(20.5), plain=True))
    theirs = make_identified(ID, data=ours.event.data)
    appender = Appender(store, KEYS)
    await appender.append(theirs)
    result = await appender.append(ours)
    await appender.stop()

    assert isinstance(result, Appended)


async def test_a_tag_full_of_types_has_room_for_gaps(store: Redis) -> None:
    """A sender that invents types cannot send them to ``unidentified``."""
    await store.hset(
        KEYS.streams(TAG), mapping={f"type.{number}": f"{number} 1-1" for number in range(1, 1001)}
    )
    async with watching(store) as gaps:
        await take_all(gaps, [DOWN, UP])

    assert await ids(store) == [ID]


async def test_a_full_stream_loses_no_gap(store: Redis) -> None:
    """It is refused and not noted, and announced when there is room."""
    caps = Caps({f"*:{GAP_TYPE}": Cap(max_entries=1)})
    async with watching(store, caps=caps) as gaps:
        await take_all(gaps, [DOWN, UP, Told("acc_1", 30, "errored")])
        with pytest.raises(StreamFull):
            await gaps.take(given(Told("acc_1", 40, "running").event()))
        noted = [gap.announced for gap in (await book_of(store, "acc_1")).gaps]
        await store.xtrim(KEYS.stream(TAG, GAP_TYPE), maxlen=0)
        await gaps.take(given(Told("acc_1", 40, "running").event()))

    assert noted == [True, False]
    assert await ids(store) == [f"gap:acc_1:{moment(30)}"]


@pytest.mark.one_server("WAIT would be asked of the one server, which is asked here")
async def test_a_gap_that_too_few_replicas_have_is_not_noted(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none here, so it is announced again, for as long as it takes."""
    monkeypatch.setattr("consumers.unipile.account_gaps.announcing.Limits", _impatient)
    async with watching(store, replicas=1) as gaps:
        with pytest.raises(StoreUnavailable):
            await take_all(gaps, [DOWN, UP])

    assert not (await book_of(store, "acc_1")).gaps[0].announced


def _impatient(**limits: object) -> object:
    from relay.append import Limits  # noqa: PLC0415 - the one that is replaced

    return Limits(**(limits | {"deadline_seconds": 0.2}))  # type: ignore[arg-type]
