"""What a run has left behind, in files and in the store, as plain data for the checker."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from relay.contract.connect import text_of
from relay.contract.keys import Keys
from tests.permanent import keys_without_end
from tests.records import lines_of

TAG = "unipile"
KEYS = Keys()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a handler.

    Args:
        event_id: Of which event.
        entry_id: Where that stood.
        attempt: Which one, as the handler was told.
        outcome: ``done`` or ``failed``; none where its process ended in the middle.
    """

    event_id: str
    entry_id: str
    attempt: int
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Act:
    """What a handler in an ordered stream has done, in the order in which it was done.

    Args:
        fence: The handler's.
        key: What has an order.
        entry_id: What it was done for.
    """

    fence: int
    key: str
    entry_id: str


@dataclass
class Evidence:
    """All of it.

    Args:
        intended: Ids of events that a sender meant to send.
        accepted: Ids of events of which a sender was told 200.
        stored: The event ids in each stream, in its order.
        runs: Of each group.
        dead: Reason of each dead letter's event, of each group.
        acts: Of each group with an ordered handler.
        left: What should not be there at the end.
        troubles: What the processes did that nobody made them do.
    """

    intended: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    stored: dict[str, list[str]] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    dead: dict[str, dict[str, str]] = field(default_factory=dict)
    acts: dict[str, list[Act]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def done(self, group: str) -> set[str]:
        """Give the ids of the events that a group has handled."""
        return {run.event_id for run in self.runs[group] if run.outcome == "done"}


def gather(directory: Path, store: Redis, groups: list[str]) -> Evidence:
    """Collect what is left when everything has been settled.

    Args:
        directory: Of the records.
        store: Client that reaches the server itself.
        groups: Whose workers ran.
    """
    return Evidence(
        intended={words[0] for words in lines_of(directory / "intents.log")},
        accepted={words[0] for words in lines_of(directory / "acks.log")},
        stored={name: _event_ids(store, KEYS.stream(TAG, name)) for name in types_in(store)},
        runs={group: _runs(directory, group) for group in groups},
        dead={group: _dead(store, group) for group in groups},
        acts={group: _acts(directory, group) for group in groups},
        left=keys_without_end(store) + unsettled(store, groups) + _books(store, groups),
    )


def types_in(store: Redis) -> list[str]:
    """Name the streams that events came to."""
    names: Any = store.hkeys(KEYS.streams(TAG))
    return sorted(map(text_of, names))


def unsettled(store: Redis, groups: list[str]) -> list[str]:
    """Say what a group has yet to read or to settle."""
    found = []
    for name in types_in(store):
        stream = KEYS.stream(TAG, name)
        states: Any = store.xinfo_groups(stream)
        by_name = {text_of(state["name"]): state for state in states}
        for group in groups:
            state = by_name.get(group)
            after = text_of(state["last-delivered-id"]) if state else "0-0"
            unread: Any = store.xrange(stream, f"({after}", count=1)
            pending = state["pending"] if state else 0
            if unread or pending:
                found.append(f"{group} on {name}: {pending} pending, unread: {bool(unread)}")
    return found


def _books(store: Redis, groups: list[str]) -> list[str]:
    """Name the workers' books that speak of entries which are settled."""
    made = (KEYS.park, KEYS.attempts, KEYS.strikes, KEYS.later_due)
    books = [make(TAG, group) for group in groups for make in made]
    books += [text_of(key) for key in store.scan_iter(f"{KEYS.prefix}:*@lane:*", count=1000)]
    return [f"{book} is not empty" for book in books if store.exists(book)]


def _event_ids(store: Redis, stream: str) -> list[str]:
    entries: Any = store.xrange(stream)
    return [text_of(fields[b"id"]) for _, fields in entries]


def _dead(store: Redis, group: str) -> dict[str, str]:
    letters: Any = store.xrange(KEYS.dead(TAG, group))
    return {text_of(fields[b"id"]): text_of(fields[b"reason"]) for _, fields in letters}


def _runs(directory: Path, group: str) -> list[Run]:
    found = []
    for path in sorted(directory.glob(f"runs-{group}-*.log")):
        lines = list(lines_of(path))
        outcomes = {words[1]: words[2] for words in lines if words[0] == "end"}
        found += [
            Run(words[2], words[3], int(words[4]), outcomes.get(words[1]))
            for words in lines
            if words[0] == "start"
        ]
    return found


def _acts(directory: Path, group: str) -> list[Act]:
    return [
        Act(int(fence), key, entry_id)
        for fence, key, entry_id, _ in lines_of(directory / f"acts-{group}.log")
    ]
