"""The index is asked as the appender asks it: known is what would be a duplicate."""

from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.append import known
from relay.append.known import SCRIPT, Asked, Known, known_events
from relay.contract.event import Appended, Duplicate
from relay.delivery import VerifiedDelivery
from relay.identify import identify
from tests.making import make_identified, make_signed
from tests.relay.appending import KEYS, Bench, entry_id
from tests.relay.clocked import TAG, InMemory

WINDOW_SECONDS = 3600


async def ask(bench: Bench, *ids: str, event_type: str = "message.new") -> list[Known]:
    """Ask of some events of one type."""
    asked = [Asked(one, event_type) for one in ids]
    return await known_events(bench.client, KEYS, TAG, WINDOW_SECONDS, asked)


async def test_what_was_appended_is_known_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its entry, over any number of calls; the store is as it was before."""
    monkeypatch.setattr(known, "PAGE", 7)
    results = await bench.append(*(make_identified(f"evt_{n}") for n in range(100)))
    before = [await bench.buckets(), await bench.books(), await bench.streams()]

    found = await ask(bench, *(f"evt_{n}" for n in range(110)))

    assert found[:100] == [Known(entry_id(result)) for result in results]
    assert found[100:] == [Known()] * 10
    assert [await bench.buckets(), await bench.books(), await bench.streams()] == before


async def test_it_is_known_under_any_type_and_when_trimmed(bench: Bench) -> None:
    """Also where its stream has no entry any more, and where it went to ``unidentified``."""
    results = await bench.append(
        make_identified("evt_1", "email.new"), make_identified("evt_2", max_types=1)
    )
    for stream in ("email.new", "unidentified"):
        await bench.client.xtrim(KEYS.stream(TAG, stream), maxlen=0, approximate=False)

    found = await ask(bench, "evt_1", "evt_2")

    assert [one.entry_id for one in found] == [entry_id(result) for result in results]


def test_what_proved_nothing_is_remembered_with_its_body() -> None:
    """So asking for its id alone would be in vain; it is looked for in streams."""
    delivery = make_signed(b'{"id":"evt_1","type":"message.new"}')

    identified = identify(VerifiedDelivery(delivery=delivery, assurance="none", signed_at=None))

    assert identified.event.id == "evt_1"
    assert identified.identity.startswith(b"evt_1\xff")


async def test_an_id_that_counts_with_its_body_is_not_known(bench: Bench) -> None:
    """As with ``changed_body = "store"``: then only streams can tell."""
    event = make_identified("evt_1")
    await bench.append(type(event)(**{**_fields(event), "identity": b"evt_1\xff0123456789abcdef"}))

    assert await ask(bench, "evt_1") == [Known()]


async def test_partitions_have_an_index_each(bench: Bench) -> None:
    """What one knows another does not."""
    await bench.append(make_identified("evt_1", tag="unipile#3"))
    asked = [Asked("evt_1", "message.new")]

    found = {
        tag: (await known_events(bench.client, KEYS, tag, WINDOW_SECONDS, asked))[0].entry_id
        for tag in ("unipile#2", "unipile#3")
    }

    assert found["unipile#2"] is None
    assert found["unipile#3"] is not None


async def test_a_key_of_another_type_is_said(bench: Bench) -> None:
    """What cannot be looked at is not known, and the answer says why."""
    await bench.append(make_identified("evt_1"))
    await bench.client.delete(KEYS.seen(TAG, "ids"))
    await bench.client.set(KEYS.seen(TAG, "ids"), "no hash", ex=60)

    (new,) = await ask(bench, "evt_2")

    assert new.entry_id is None
    assert "WRONGTYPE" in new.problem


async def test_a_book_of_streams_of_another_type_is_said(bench: Bench) -> None:
    """Whether a known entry's stream is there cannot be told then."""
    await bench.append(make_identified("evt_1"))
    await bench.client.delete(KEYS.streams(TAG))
    await bench.client.set(KEYS.streams(TAG), "no hash", ex=60)

    (one,) = await ask(bench, "evt_1")

    assert one.entry_id is None
    assert "WRONGTYPE" in one.problem


STEPS = st.lists(
    st.tuples(st.just("append"), st.integers(0, 3), st.sampled_from(["a", "b"]))
    | st.tuples(st.just("move"), st.integers(0, 80_000), st.just(""))
    | st.tuples(st.just("delete"), st.just(0), st.sampled_from(["a", "b"])),
    max_size=10,
)


# Each asks a store in memory forty times, which is slow at scripts.
@settings(max_examples=15)
@given(steps=STEPS)
def test_known_is_what_would_be_a_duplicate_after_any_history(
    steps: list[tuple[str, int, str]],
) -> None:
    """To the ms, whatever was appended, forgotten or deleted before."""
    store = InMemory()
    for what, number, event_type in steps:
        if what == "append":
            store.append(make_identified(f"evt_{number}", event_type, window_seconds=60))
        elif what == "move":
            store.now_ms += number
        else:
            store.client.delete(KEYS.stream(TAG, event_type))
    for number in range(4):
        answer = _asked_at_its_time(store, Asked(f"evt_{number}", "a"))
        (verdict,) = store.append(make_identified(f"evt_{number}", "a", window_seconds=60))
        if answer.entry_id is None:
            assert isinstance(verdict.result, Appended)
        else:
            assert verdict.result == Duplicate(answer.entry_id)


def _asked_at_its_time(store: InMemory, asked: Asked) -> Known:
    """Ask a store whose time a test has set."""
    arguments: list[Any] = [30_000, asked.event_type, known.digest_of_id(asked.event_id)]
    keys = (KEYS.streams(TAG), KEYS.stream(TAG, "unidentified"), KEYS.seen(TAG, "ids"))
    with mock.patch("time.time", return_value=(store.now_ms + 0.5) / 1000):
        (reply,) = store.client.eval(SCRIPT.text, len(keys), *keys, *arguments)
    return known._read(reply)


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
