"""The whole body of a split delivery goes through the spool with the event that brings it."""

from pathlib import Path
from typing import Any

import msgspec

from relay.append import Appender
from relay.contract.event import Batch
from relay.contract.keys import Keys
from relay.spool.directory import Directory
from relay.spool.file import Changes, SpoolFile
from relay.spool.row import ENVELOPE_BYTES, Row, decode, encode
from relay.spool.spool import Spool
from relay.spool.spooling import Spooling
from tests.fakes import fake_store
from tests.relay.spool.parts import A, B, event
from tests.waiting import wait_until

WHOLE = Batch(id="sha256:ab", body=b"\x1f\x8b\x00\xff" + bytes(5000), keep_seconds=3600)
BRINGING = msgspec.structs.replace(event("evt_1"), batch=WHOLE, max_new_types_per_hour=20)


def test_it_comes_back_as_it_was() -> None:
    """Its bytes, how long it is kept, and how many types may begin."""
    assert decode(encode(BRINGING)) == BRINGING


def test_what_an_older_release_wrote_has_none() -> None:
    """A field that is not there is no field."""
    written = msgspec.msgpack.decode(encode(event("evt_1")))
    del written["batch"], written["max_new_types_per_hour"]

    assert decode(msgspec.msgpack.encode(written)) == event("evt_1")


def test_it_counts_for_what_a_row_takes_and_what_is_read_at_once(tmp_path: Path) -> None:
    """Bounds of the disk and of the memory hold for it too."""
    rows = [Row(n, A if n % 2 else B, encode(BRINGING), 1000) for n in (1, 2)]
    file = SpoolFile.make(tmp_path / "a.db")
    file.write(Changes(kept=rows))
    read = file.read(0, 10, len(WHOLE.body) + ENVELOPE_BYTES)
    counted = sum(each.size_bytes for each in file.census())
    file.close()

    assert read == rows[:1]
    assert counted > 2 * len(WHOLE.body)


async def test_what_was_spooled_is_stored_with_it(tmp_path: Path) -> None:
    """By whoever drains the event, in the step that stores it."""
    store, keys = fake_store(), Keys()
    before = Spool(Directory(tmp_path), max_bytes=10**6)
    await before.start()
    await before.keep(BRINGING, tried=True)
    await before.keep(event("evt_2"), tried=False)
    await before.finish()

    async def find_none(_: object) -> set[int]:
        return set()

    appender, spool = Appender(store, keys), Spool(Directory(tmp_path), max_bytes=10**6)
    spooling = Spooling(appender, spool, find_none)
    await spooling.start()
    await wait_until(lambda: not spool.events, description="drained")
    await spooling.stop()
    await appender.stop()
    entries: Any = await store.xrange(keys.stream(*A))
    body = await store.get(keys.batch(A[0], WHOLE.id))
    await store.aclose()

    assert [fields[b"id"] for _, fields in entries] == [b"evt_1", b"evt_2"]
    assert body == WHOLE.body
