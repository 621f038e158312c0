"""What the dedupe index must know, and must not, after any history: a model of its promise."""

from dataclasses import dataclass, field

from relay.append.script import Verdict
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED


@dataclass(frozen=True)
class Entry:
    """An entry that was appended.

    Args:
        entry_id: Its ms and sequence number.
        stream: The type whose stream has it, and the how many-th of that name.
        data: Its body.
        window_ms: For how long its identity is to be known.
        lost_ms: From what time of the store on it may be forgotten for good.
    """

    entry_id: tuple[int, int]
    stream: tuple[str, int]
    data: bytes
    window_ms: int
    lost_ms: int


@dataclass
class Model:
    """Says of each verdict whether it keeps the promise.

    An entry is known while it is younger than its window, by the store's clock and the entry's
    id. If the clock has jumped ahead and back, what had ended by then may be known or not.
    """

    entries: dict[tuple[str, bytes], list[Entry]] = field(default_factory=dict)
    # The how many-th stream of a type there is, and with which entry it began.
    numbers: dict[str, int] = field(default_factory=dict)
    begins: dict[str, tuple[int, int]] = field(default_factory=dict)
    latest_ms: int = 0

    def delete_stream(self, event_type: str) -> None:
        """A stream is deleted."""
        self.numbers[event_type] = self.numbers.get(event_type, 0) + 1
        self.begins.pop(event_type, None)

    def judge(self, event: IdentifiedEvent, verdict: Verdict, now_ms: int) -> None:
        """Assert that a verdict is right, and take note of it."""
        self.latest_ms = max(self.latest_ms, now_ms)
        assurance = "none" if event.event.assurance == "none" else ""
        entries = self.entries.setdefault((event.kind + assurance, event.identity), [])
        young = [entry for entry in entries if now_ms - entry.entry_id[0] < entry.window_ms]
        result = verdict.result
        if isinstance(result, Duplicate):
            # Two in a row have one id if a stream was deleted and begun anew within a ms.
            named = [one for one in young if one.entry_id == parsed(result.entry_id)]
            held = [one for one in named if self._may_be_there(one)]

            assert result.changed_body in {one.data != event.event.data for one in held}
            return

        assert isinstance(result, Appended), result
        assert not [one for one in young if self._is_there(one) and self.latest_ms < one.lost_ms]

        home = UNIDENTIFIED if verdict.misplaced else event.event.type
        entry_id = parsed(result.entry_id)
        self.begins.setdefault(home, entry_id)
        entries.append(self._entry(event, home, entry_id, now_ms))

    def stored(self, event_type: str) -> list[tuple[int, int]]:
        """Give the entries that a stream must have, in order."""
        stream = (event_type, self.numbers.get(event_type, 0))
        everything = (entry for entries in self.entries.values() for entry in entries)
        return sorted(entry.entry_id for entry in everything if entry.stream == stream)

    def _entry(
        self, event: IdentifiedEvent, home: str, entry_id: tuple[int, int], now_ms: int
    ) -> Entry:
        window_ms = 1000 * event.window_seconds
        half = window_ms // 2
        return Entry(
            entry_id,
            (home, self.numbers.get(home, 0)),
            event.event.data,
            window_ms,
            (now_ms // half + 1) * half + window_ms,
        )

    def _is_there(self, entry: Entry) -> bool:
        name, number = entry.stream
        return self.numbers.get(name, 0) == number

    def _may_be_there(self, entry: Entry) -> bool:
        """Tell whether its stream is there, or began anew with a smaller id after a jump back."""
        name, _ = entry.stream
        begins = self.begins.get(name)
        return begins is not None and (self._is_there(entry) or entry.entry_id >= begins)


def parsed(entry_id: str) -> tuple[int, int]:
    """Read an entry id."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq)
