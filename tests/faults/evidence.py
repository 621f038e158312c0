"""What a scenario has left behind, in files and in the store, as plain data for the checker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from relay.contract.connect import text_of
from relay.contract.keys import Keys
from tests.faults.checker import Left
from tests.records import lines_of

PAGE = 1000
_KEYS = Keys()


def gather(directory: Path, *stores: Redis, handled: bool = False) -> Left:
    """Collect what is left when no more is sent.

    Args:
        directory: Of the records.
        stores: Clients that reach the servers themselves; of a cluster one for each primary.
        handled: Whether there were handlers.
    """
    done = {words[0] for words in lines_of(directory / "handled.log")}
    return Left(
        intended={words[0] for words in lines_of(directory / "intents.log")},
        accepted={words[0] for words in lines_of(directory / "acks.log")},
        stored=[event_id for store in stores for event_id in _event_ids(store)],
        handled=done if handled else None,
    )


def _event_ids(store: Redis) -> Iterator[str]:
    """Give the event id of each entry of every stream, and of each group's dead letters none."""
    for key in store.scan_iter(f"{_KEYS.prefix}:{{*}}:*", count=PAGE):
        if text_of(store.type(key)) == "stream":
            yield from _ids_in(store, key)


def _ids_in(store: Redis, stream: Any) -> Iterator[str]:
    after = "-"
    while True:
        page: Any = store.xrange(stream, min=after, count=PAGE)
        if not page:
            return
        yield from (text_of(fields[b"id"]) for _, fields in page)
        after = f"({text_of(page[-1][0])}"
