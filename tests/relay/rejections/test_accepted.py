"""Notes of what was accepted, on real servers."""

from typing import Any

import pytest
from redis.asyncio import Redis

from relay.rejections.accepted import Acceptance, acceptances_of, note_acceptance, read_acceptances
from tests.relay.commands.rejecting import KEYS, now_ms

pytestmark = pytest.mark.redis

DAY_MS = 24 * 3600 * 1000
HOUR = 3600
NOW_MS = now_ms()
ROW = f"{NOW_MS}-0"


def accepted(entry_id: str, **changes: Any) -> Acceptance:
    """Make a note."""
    said: dict[str, Any] = {"event_id": "evt_1", "outcome": "stored", "assurance": "body"}
    return Acceptance(at_ms=1, entry_id=entry_id, by="kim", **(said | changes))


async def test_the_first_note_stays(store: Redis) -> None:
    """Whoever comes later is told what was done before."""
    first = await note_acceptance(store, KEYS, "unipile", ROW, accepted("1-1"), HOUR)
    second = await note_acceptance(store, KEYS, "unipile", ROW, accepted("2-2"), HOUR)

    assert (first, second) == (accepted("1-1"), accepted("1-1"))


async def test_notes_of_several_days_are_read_together(store: Redis) -> None:
    """A row of yesterday has its note in another key; what is none of ours is no note."""
    earlier, other = f"{NOW_MS - DAY_MS}-0", f"{NOW_MS - DAY_MS}-1"
    await note_acceptance(store, KEYS, "unipile", ROW, accepted("1-1"), HOUR)
    await note_acceptance(store, KEYS, "unipile", earlier, accepted("2-2"), HOUR)
    for name, text in ((other, "[]"), (f"{NOW_MS}-1", "\xff{")):
        day = int(name.partition("-")[0]) // DAY_MS
        await store.hset(KEYS.accepted("unipile", day), name, text)
    found = await read_acceptances(
        store, KEYS, "unipile", [ROW, earlier, other, f"{NOW_MS}-1", f"{NOW_MS}-2"]
    )

    assert found == {ROW: accepted("1-1"), earlier: accepted("2-2")}


async def test_notes_are_found_by_their_event_as_long_as_it_may_be_asked_for(
    store: Redis,
) -> None:
    """Of several one of an event that was proved; not those of other days, or of other events."""
    days = [f"{NOW_MS - days * DAY_MS}-0" for days in (0, 1, 2, 9)]
    forced = [accepted(f"{n}-0", assurance="none") for n in range(3)]
    await note_acceptance(store, KEYS, "unipile", days[2], accepted("7-7"), 72 * HOUR)
    for row_id, one in zip(days, forced, strict=False):
        await note_acceptance(store, KEYS, "unipile", row_id, one, 72 * HOUR)
    other = [accepted("8-8", event_id=f"evt_{n}", assurance="none") for n in (2, 3)]
    await note_acceptance(store, KEYS, "unipile", f"{NOW_MS}-1", other[0], 72 * HOUR)
    await note_acceptance(store, KEYS, "unipile", days[3], other[1], 900 * HOUR)
    await store.hset(KEYS.accepted("unipile", NOW_MS // DAY_MS), "odd", "[]")
    left_ms = await store.pttl(KEYS.accepted("unipile", (NOW_MS - 2 * DAY_MS) // DAY_MS))

    ids = {"evt_1", "evt_3"}
    found = await acceptances_of(store, KEYS, "unipile", ids, NOW_MS - 3 * DAY_MS, NOW_MS)

    assert found == {"evt_1": accepted("7-7")}
    # An attempt of the row's time is compared until a window later.
    assert left_ms > DAY_MS
