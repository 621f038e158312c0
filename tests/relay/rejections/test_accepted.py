"""Notes of what was accepted, on real servers."""

import pytest
from redis.asyncio import Redis

from relay.rejections.accepted import Acceptance, note_acceptance, read_acceptances
from tests.relay.commands.rejecting import KEYS, now_ms

pytestmark = pytest.mark.redis

DAY_MS = 24 * 3600 * 1000
NOW_MS = now_ms()
ROW = f"{NOW_MS}-0"


def accepted(entry_id: str) -> Acceptance:
    """Make a note."""
    return Acceptance(
        at_ms=1, event_id="evt_1", entry_id=entry_id, outcome="stored", assurance="body", by="kim"
    )


async def test_the_first_note_stays(store: Redis) -> None:
    """Whoever comes later is told what was done before."""
    first = await note_acceptance(store, KEYS, "unipile", ROW, accepted("1-1"))
    second = await note_acceptance(store, KEYS, "unipile", ROW, accepted("2-2"))

    assert (first, second) == (accepted("1-1"), accepted("1-1"))


async def test_notes_of_several_days_are_read_together(store: Redis) -> None:
    """A row of yesterday has its note in another key; what is none of ours is no note."""
    earlier, other = f"{NOW_MS - DAY_MS}-0", f"{NOW_MS - DAY_MS}-1"
    await note_acceptance(store, KEYS, "unipile", ROW, accepted("1-1"))
    await note_acceptance(store, KEYS, "unipile", earlier, accepted("2-2"))
    for name, text in ((other, "[]"), (f"{NOW_MS}-1", "\xff{")):
        day = int(name.partition("-")[0]) // DAY_MS
        await store.hset(KEYS.accepted("unipile", day), name, text)
    found = await read_acceptances(
        store, KEYS, "unipile", [ROW, earlier, other, f"{NOW_MS}-1", f"{NOW_MS}-2"]
    )

    assert found == {ROW: accepted("1-1"), earlier: accepted("2-2")}
