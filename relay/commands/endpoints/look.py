"""Looks at endpoints: the configuration and the store in, glances out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relay.commands.edit import load_unsecured
from relay.commands.endpoints.glance import Glance
from relay.commands.store import Store, environment, opened, store_settings
from relay.contract.config import FileSettings
from relay.contract.connect import ResponseError, send_command, text_of
from relay.contract.keys import endpoint_of
from relay.contract.registry import (
    WrongType,
    is_wrong_type,
    known_tags,
    known_types,
    wrong_type,
)
from relay.contract.surroundings import read_config_file
from relay.endpoints import EndpointSection
from relay.usage import EndpointUsage, read_usage


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is configured here.

    Args:
        store: Where the store is.
        endpoints: Their tables by name; no secret of them is read.
    """

    store: FileSettings
    endpoints: Mapping[str, EndpointSection]


def surroundings(redis_url: str | None) -> Surroundings:
    """Read what is configured here.

    Raises:
        ConfigurationFault: All faults together.
    """
    environ = environment()
    settings = load_unsecured(environ, read_config_file(environ, Path()))
    return Surroundings(store_settings(environ, redis_url), settings.endpoints)


async def look(
    found: Surroundings, wrong: list[WrongType], only: str | None = None
) -> list[Glance]:
    """Look at the endpoints that are configured or in the store.

    Args:
        found: What is configured.
        wrong: Takes what stands where something of an endpoint should, which is then passed over.
        only: One of them, and the newest refusal of it too; all by default.

    Returns:
        Those that are configured first, each part by name.
    """
    async with opened(found.store) as store:
        tags = await known_tags(store.redis, store.keys)
        stored = {endpoint_of(tag) for tag in tags} - found.endpoints.keys()
        names = [*sorted(found.endpoints), *sorted(stored)]
        glances = [
            await _glance(store, found, name, tags, wrong)
            for name in names
            if only is None or name == only
        ]
        if only is not None:
            glances = [
                replace(each, refusal=await _newest_refusal(store, each.name, wrong))
                for each in glances
            ]
        return glances


async def _glance(
    store: Store,
    found: Surroundings,
    name: str,
    tags: Sequence[str],
    wrong: list[WrongType],
) -> Glance:
    types: set[str] = set()
    for tag in tags:
        if endpoint_of(tag) == name:
            types.update(await _types(store, tag, wrong))
    return Glance(
        name=name,
        section=found.endpoints.get(name),
        usage=await _usage(store, name, wrong),
        types=sorted(types),
        now_ms=time.time_ns() // 1_000_000,
    )


async def _types(store: Store, tag: str, wrong: list[WrongType]) -> list[str]:
    try:
        return await known_types(store.redis, store.keys, tag)
    except WrongType as error:
        wrong.append(error)
        return []


async def _usage(store: Store, name: str, wrong: list[WrongType]) -> EndpointUsage:
    try:
        return await read_usage(store.redis, store.keys, name)
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
    wrong.append(await wrong_type(store.redis, store.keys.usage(name), "hash"))
    return EndpointUsage()


async def _newest_refusal(store: Store, name: str, wrong: list[WrongType]) -> str:
    """Give the id of the newest row of the refusal log; it is kept for a day."""
    key = store.keys.rejected(name)
    try:
        rows = await send_command(store.redis, "XREVRANGE", key, "+", "-", "COUNT", 1)
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
        wrong.append(await wrong_type(store.redis, key, "stream"))
        return ""
    return text_of(rows[0][0]) if rows else ""
