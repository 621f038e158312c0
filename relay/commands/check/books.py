"""Compares the relay's books with what is there, and mends them.

Tags tell readers which endpoints exist, ``@streams`` which types, groups are made so that they
miss nothing. All of it can be made again from the configuration and the streams themselves.
"""

from collections.abc import AsyncIterator, Mapping

from relay.commands import catalog
from relay.commands.store import Store, gateway_settings
from relay.contract.cluster import nodes
from relay.contract.connect import ResponseError, text_of
from relay.contract.control import tell_of_stream
from relay.contract.errors import ConfigurationFault
from relay.contract.held import meant
from relay.contract.keys import UNIDENTIFIED, endpoint_of, is_event_type, is_name, tags_of
from relay.contract.patterns import parse_pattern
from relay.contract.printable import printable
from relay.contract.registry import WrongType
from relay.contract.script import Script
from relay.contract.stream import Stream
from relay.finding import Finding

SCAN_KEYS = 1000
MEND = "run `relay check --repair`"

EVERYTHING = (parse_pattern("*:*"),)

_register_stream = Script("relay.contract", "register")


async def check_books(store: Store, environ: Mapping[str, str]) -> list[Finding]:
    """Say what is missing, as far as it can be told without looking at every key."""
    known = set(await catalog.tags(store))
    findings = [
        Finding("warn", "tags", f"{tag} is not announced", f"start the gateway, or {MEND}")
        for tag in sorted(_configured_tags(environ) - known)
    ]
    wrong: list[WrongType] = []
    streams = await catalog.streams(store, EVERYTHING, wrong)
    findings += map(wrong_key, wrong)
    findings += [
        Finding("warn", "groups", f"{stream.key} has no group {group}", MEND)
        for stream, group in await _missing_groups(store, streams)
    ]
    return findings or [Finding("ok", "books", f"{len(known)} tags, {len(streams)} streams")]


async def repair(store: Store, environ: Mapping[str, str]) -> list[Finding]:
    """Put back what is missing, and say what was done.

    Looks at every key of each server once.
    """
    there = [stream async for stream in _existing(store)]
    findings = await _add_tags(store, _configured_tags(environ) | {stream.tag for stream in there})
    wrong: list[WrongType] = []
    await catalog.streams(store, EVERYTHING, wrong)
    findings += map(wrong_key, wrong)
    spoiled = {each.key for each in wrong}
    for stream in there:
        if store.keys.streams(stream.tag) not in spoiled and await _register(store, stream):
            findings.append(Finding("mended", "streams", f"{stream.key} is registered again"))
    streams = await catalog.streams(store, EVERYTHING, wrong=[])
    for stream, group in await _missing_groups(store, streams):
        if await _create(store, stream, group):
            found = f"{group} begins at the first entry of {stream.key}"
            findings.append(Finding("mended", "groups", found))
    return findings or [Finding("ok", "books", "nothing was missing")]


def wrong_key(error: WrongType) -> Finding:
    """Say what stands where something of ours should."""
    return Finding("fail", "books", f"{printable(error.key)} {error.what}", error.advice)


def _configured_tags(environ: Mapping[str, str]) -> set[str]:
    try:
        endpoints = gateway_settings(environ, None).endpoints
    except ConfigurationFault:  # named among the findings already
        return set()
    return {tag for name, section in endpoints.items() for tag in tags_of(name, section.partitions)}


async def _missing_groups(store: Store, streams: list[Stream]) -> list[tuple[Stream, str]]:
    configured = store.settings.held_groups
    missing = []
    for stream in streams if configured else ():
        there = await _groups(store, stream)
        missing += [
            (stream, group)
            for group in sorted(meant(configured, stream.tag, stream.event_type))
            if there is not None and group not in there
        ]
    return missing


async def _groups(store: Store, stream: Stream) -> set[str] | None:
    try:
        return {text_of(group["name"]) for group in await store.redis.xinfo_groups(stream.key)}
    except ResponseError:  # registered, and deleted since
        return None


async def _existing(store: Store) -> AsyncIterator[Stream]:
    """Find every stream under our prefix by its key."""
    before = f"{store.keys.prefix}:{{"
    for node in nodes(store.redis):
        async for key in node.scan_iter(match=f"{before}*", count=SCAN_KEYS, _type="stream"):
            tag, closed, event_type = text_of(key).removeprefix(before).partition("}:")
            if closed and is_name(endpoint_of(tag)) and _is_ours(event_type):
                yield Stream(tag, event_type, text_of(key))


def _is_ours(event_type: str) -> bool:
    return event_type == UNIDENTIFIED or is_event_type(event_type)


async def _add_tags(store: Store, tags: set[str]) -> list[Finding]:
    known = set(await catalog.tags(store))
    missing = sorted(tags - known)
    if missing:
        await store.redis.sadd(store.keys.tags, *missing)
    return [Finding("mended", "tags", f"{tag} is announced again") for tag in missing]


async def _register(store: Store, stream: Stream) -> bool:
    books = store.keys.streams(stream.tag)
    if not await _register_stream(store.redis, [books, stream.key], stream.event_type):
        return False
    await tell_of_stream(store.redis, store.keys, stream.tag, stream.event_type)
    return True


async def _create(store: Store, stream: Stream, group: str) -> bool:
    try:
        await store.redis.xgroup_create(stream.key, group, id="0")
    except ResponseError as error:
        if "BUSYGROUP" in str(error):  # a gateway was quicker
            return False
        raise
    return True
