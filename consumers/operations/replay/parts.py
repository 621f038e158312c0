"""What a replay is made of, one part for each stream, and what came of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumers.operations.progress import Progress
from consumers.operations.replay.book import Book, StreamState
from consumers.operations.replay.wanted import Wanted
from relay.contract.keys import Keys
from relay.contract.stream import Stream


@dataclass(slots=True)
class Part:
    """One stream's part.

    Args:
        stream: Which.
        text: What its book says of it, and
        state: what that means.
        fault: Why it cannot be gone on with; empty where it can.
    """

    stream: Stream
    text: bytes
    state: StreamState
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of a replay, since its beginning.

    Args:
        name: Its id.
        wanted: What it meant.
        copied: How many copies were made.
        size_bytes: How large they are.
        large: How many were left out, with more fields than a script can write.
        gone: How many were removed before they could be copied, as far as is known.
        gone_ranges: Where: key of the stream, first entry that was missing, first one there behind.
        faults: Keys that could not be gone on with, each with the reason.
    """

    name: str
    wanted: Wanted
    copied: int
    size_bytes: int
    large: int
    gone: int
    gone_ranges: tuple[tuple[str, str, str], ...]
    faults: tuple[tuple[str, str], ...]


def parts_in(books: Mapping[str, Book], keys: Keys) -> list[Part]:
    """Give the parts that books tell of, by tag and type."""
    return [
        Part(Stream(tag, name, keys.stream(tag, name)), text, state)
        for tag, book in sorted(books.items())
        for name, (text, state) in sorted(book.streams.items())
    ]


def copies_of(parts: Sequence[Part]) -> int:
    """Count the copies that were made."""
    return sum(part.state.copied for part in parts)


def progress_of(parts: Sequence[Part], wanted: Wanted) -> Progress:
    """Say how far it has come."""
    states = [part.state for part in parts]
    planned = sum(state.planned for state in states)
    if wanted.limit is not None:
        planned = min(planned, wanted.limit)
    return Progress(
        seen=sum(state.looked for state in states),
        done=copies_of(parts),
        left=sum(state.large for state in states),
        total=planned if all(state.exact for state in states) else None,
    )


def sum_up(name: str, wanted: Wanted, parts: Sequence[Part]) -> Replayed:
    """Say what came of it."""
    states = [part.state for part in parts]
    return Replayed(
        name=name,
        wanted=wanted,
        copied=copies_of(parts),
        size_bytes=sum(state.bytes for state in states),
        large=sum(state.large for state in states),
        gone=sum(state.gone for state in states),
        gone_ranges=tuple(
            (part.stream.key, part.state.gone_from, part.state.gone_until)
            for part in parts
            if part.state.gone_from
        ),
        faults=tuple((part.stream.key, part.fault) for part in parts if part.fault),
    )
