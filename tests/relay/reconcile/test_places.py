"""Streams, spool and refusal log, each looked through for ids."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.contract.entry import encode
from relay.reconcile import spooled, streams
from relay.reconcile.refusals import find_refused
from relay.reconcile.spooled import find_spooled
from relay.reconcile.streams import APART_MS, NEAR_MS, StreamLook, merged
from relay.spool.directory import Directory
from relay.spool.file import Changes
from relay.spool.open_file import Taken
from relay.spool.row import Row
from relay.spool.row import encode as encode_row
from relay.spool.taking import Taking
from tests.making import make_endpoint, make_event, make_identified
from tests.relay.appending import KEYS
from tests.relay.commands.rejecting import keep, row

HOUR = 3_600_000
NUMBERS = count(1)


async def put(client: Redis, event_type: str, at_ms: int, event_id: str, **changes: Any) -> None:
    """Write an entry of a time into a stream, and nothing into any book."""
    fields: Any = encode(make_event(id=event_id, type=event_type, **changes))
    entry = dict(zip(fields[::2], fields[1::2], strict=True))
    # Redis 6.2 does not count within a ms by itself.
    await client.xadd(KEYS.stream("unipile", event_type), entry, id=f"{at_ms}-{next(NUMBERS)}")


def test_stretches_that_are_near_are_one() -> None:
    """With room on both sides for clocks that differ."""
    found = merged([(20 * HOUR, 20 * HOUR), (0, 1), (HOUR, HOUR), (HOUR + NEAR_MS, HOUR + NEAR_MS)])

    assert found == [
        (0, 1 + APART_MS),
        (HOUR - APART_MS, HOUR + NEAR_MS + APART_MS),
        (20 * HOUR - APART_MS, 20 * HOUR + APART_MS),
    ]


async def test_an_event_is_found_in_any_of_the_streams_at_its_time(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over many pages; not where its entry lies outside of the stretches."""
    monkeypatch.setattr(streams, "PAGE", 3)
    monkeypatch.setattr(streams, "AT_ONCE", 2)
    for number in range(20):
        await put(client, "a", HOUR + number, f"evt_{number}")
    await put(client, "b", HOUR, "evt_other", assurance="none")
    await put(client, "b", HOUR + 1, "evt_19", assurance="none")
    await put(client, "c", 9 * HOUR, "evt_late")
    await put(client, "c", 20 * HOUR, "evt_far")
    look = StreamLook(client, KEYS)

    found = await look(
        "unipile",
        ["a", "b", "c", "none"],
        [(HOUR, HOUR + 30), (20 * HOUR, 20 * HOUR)],
        {"evt_3", "evt_19", "evt_other", "evt_late", "evt_far", "evt_nowhere"},
    )

    assert found == {"evt_3": True, "evt_19": True, "evt_other": False, "evt_far": True}
    assert look.wrong == []


async def test_a_key_that_is_no_stream_is_named_and_the_others_are_read(client: Redis) -> None:
    """Whatever somebody has written in its place."""
    await put(client, "b", HOUR, "evt_1")
    await client.set(KEYS.stream("unipile", "a"), "no stream", ex=60)
    look = StreamLook(client, KEYS)

    found = await look("unipile", ["a", "b"], [(0, 1), (HOUR, HOUR)], {"evt_1"})

    assert found == {"evt_1": True}
    assert [wrong.key for wrong in look.wrong] == [KEYS.stream("unipile", "a")]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Taken]:
    """A spool file that a living process has, with events of two endpoints."""
    taken = Taking(Directory(tmp_path)).make()
    made = [("unipile", "a"), ("unipile#1", "b"), ("other", "a")]
    rows = [
        Row(n, stream, encode_row(make_identified(f"evt_{n}", stream[1], tag=stream[0])), 1000)
        for n, stream in enumerate(made * 3, 1)
    ]
    rows.append(Row(10, ("unipile", "a"), b"no event", 1000))
    unproved = make_identified("evt_11", "a", assurance="none")
    rows.append(Row(11, ("unipile", "a"), encode_row(unproved), 1000))
    taken.file.write(Changes(kept=rows))
    yield taken
    taken.file.close()
    taken.lock.release()


def test_events_are_found_in_the_spool_of_a_living_gateway(
    held: Taken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the endpoint, in all its partitions; the file goes on taking events."""
    monkeypatch.setattr(spooled, "ROWS_PER_STEP", 2)
    (tmp_path / "junk.db").write_text("no database")
    (tmp_path / "blank.db").touch()
    (tmp_path / "gone.lock").touch()

    found = find_spooled(Directory(tmp_path), "unipile", {f"evt_{n}" for n in range(1, 20)})

    # Every third is another endpoint's.
    assert found.found == {
        **{f"evt_{n}": True for n in (1, 2, 4, 5, 7, 8)},
        "evt_11": False,
    }
    assert sorted(found.unreadable) == sorted(["junk.db", f"{held.file.path.name} row 10"])
    held.file.write(Changes(gone=[1]))


@pytest.mark.redis
async def test_a_refused_event_is_found_by_what_its_body_says(store: Redis) -> None:
    """The newest row of each; a row without a body says nothing."""

    def body(event_id: str) -> bytes:
        return b'{"id":"%s","type":"message.new","account_id":"acc_7"}' % event_id.encode()

    one, _, _, two = await keep(
        store,
        row(body("evt_1")),
        row(body("evt_9")),
        row(body("evt_2")),
        row(body("evt_2"), reason="timestamp_too_old"),
    )
    await keep(store, row(b"\xff not JSON"), row(None, {}))

    found = await find_refused(store, KEYS, make_endpoint(), {"evt_1", "evt_2", "evt_3", ""})

    assert found.keys() == {"evt_1", "evt_2"}
    assert (found["evt_1"].name, found["evt_1"].account) == (one, "acc_7")
    assert (found["evt_2"].name, found["evt_2"].reason) == (two, "timestamp_too_old")
