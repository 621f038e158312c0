"""Finds consumer groups: by the books, and never by looking through all keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.contract.ask import Asker
from relay.contract.connect import text_of
from relay.contract.held import HeldGroups, read_held
from relay.contract.keys import Keys
from relay.contract.stream import Stream


@dataclass(frozen=True, slots=True)
class Found:
    """A group on a stream.

    Args:
        stream: Which stream.
        told: What XINFO GROUPS tells of it.
    """

    stream: Stream
    told: dict[str, Any]

    @property
    def group(self) -> str:
        """The group's name."""
        return text_of(self.told["name"])

    @property
    def last_id(self) -> str:
        """The id of the last entry that the group was given."""
        return text_of(self.told["last-delivered-id"])


async def registered(asker: Asker, keys: Keys, tags: Sequence[str]) -> list[Stream]:
    """Give the streams that the books of some tags know, whether they exist or not."""
    books = [keys.streams(tag) for tag in tags]
    types = await asker.each(books, lambda p, at: p.hkeys(books[at]))
    return [
        Stream(tag, text_of(name), keys.stream(tag, text_of(name)))
        for tag, names in zip(tags, types, strict=True)
        for name in sorted(names or ())
    ]


async def find_groups(
    asker: Asker, keys: Keys, tags: Sequence[str], *, group: str | None = None
) -> list[Found]:
    """Find the groups of the streams of some tags, and what they are given again.

    What is given again to a group that no stream has any more is found where it is named.
    """
    streams = await registered(asker, keys, tags)
    found = await _groups_of(asker, streams, group)
    types: dict[str, list[str]] = {}
    for stream in streams:
        types.setdefault(stream.tag, []).append(stream.event_type)
    again: dict[str, Stream] = {}
    named = {(group, tag) for tag in types} if group else set[tuple[str, str]]()
    for name, tag in sorted({(one.group, one.stream.tag) for one in found} | named):
        given = {keys.again(tag, name, event_type): event_type for event_type in types[tag]}
        for key in await asker.there(given):
            again[key] = Stream(tag, given[key], key, again=True)
    found += await _groups_of(asker, list(again.values()), group)
    return sorted(found, key=lambda one: (one.group, one.stream))


async def _groups_of(asker: Asker, streams: Sequence[Stream], group: str | None) -> list[Found]:
    keys = [stream.key for stream in streams]
    told = await asker.each(keys, lambda p, at: p.xinfo_groups(keys[at]))
    found = [
        Found(stream, each)
        for stream, groups in zip(streams, told, strict=True)
        for each in groups or ()
    ]
    return [one for one in found if group in {None, one.group}]


async def held_groups(asker: Asker, keys: Keys, tags: Sequence[str]) -> dict[str, HeldGroups]:
    """Give by tag what gateways list in ``[groups]``."""
    books = [keys.groups(tag) for tag in tags]
    fields = await asker.each(books, lambda p, n: p.hgetall(books[n]))
    return {tag: read_held(each or {}) for tag, each in zip(tags, fields, strict=True)}
