"""The groups that the gateway's configuration lists, as they are told to whoever trims streams.

Only the gateway knows the configuration, so it keeps a copy in the store: for each group its
patterns, and when a gateway last said so.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from relay.contract.connect import text_of
from relay.contract.keys import endpoint_of
from relay.contract.patterns import Pattern, parse_pattern

HeldGroups = Mapping[str, Sequence[Pattern]]


def meant(groups: HeldGroups, tag: str, event_type: str) -> Iterator[str]:
    """Give the names of the groups whose patterns mean a stream."""
    for group, patterns in groups.items():
        if any(pattern.matches(endpoint_of(tag), event_type) for pattern in patterns):
            yield group


def written(patterns: Sequence[Pattern]) -> bytes:
    """Write a group's patterns for the store."""
    return msgspec.json.encode([str(pattern) for pattern in patterns])


def read_held(fields: Mapping[bytes, bytes]) -> dict[str, list[Pattern]]:
    """Read the store's copy.

    Args:
        fields: Of the hash: group -> ``<ms of the last confirmation> <patterns>``.

    Returns:
        Group name -> patterns. One that cannot be read means every stream: what is held for
        nothing costs memory, and what is not held would be lost.
    """
    return {text_of(name): _read(value) for name, value in fields.items()}


def _read(value: bytes) -> list[Pattern]:
    try:
        texts = msgspec.json.decode(value.partition(b" ")[2], type=list[str])
        return [parse_pattern(text) for text in texts]
    except (msgspec.MsgspecError, ValueError):
        return [parse_pattern("*:*")]
