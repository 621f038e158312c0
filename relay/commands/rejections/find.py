"""Finds rows of the refusal log by what an operator or a sender calls them."""

from pathlib import Path
from typing import Any

from pydantic import Field

from relay.commands.store import Store, StoreSettings, environment
from relay.contract.config import Name
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import endpoint_of, is_name
from relay.contract.printable import printable
from relay.contract.registry import known_tags
from relay.contract.surroundings import read_config_file
from relay.rejections.read import is_entry_id, read_row, rows_of_request
from relay.rejections.rejection import Rejection


class LogSettings(StoreSettings):
    """Where the store is, and how the endpoints are called; nothing of them is judged."""

    endpoints: dict[Name, Any] = Field(default_factory=dict)


def log_settings(redis_url: str | None) -> LogSettings:
    """Say where the store is, for commands that need no secret.

    Raises:
        ConfigurationFault: The URL or the prefix cannot be used, or the file cannot be read.
    """
    environ = environment()
    options = {} if redis_url is None else {"redis": {"url": redis_url}}
    return LogSettings.load(environ, read_config_file(environ, Path()), options)


async def endpoints_of(store: Store, configured: list[str]) -> list[str]:
    """List the endpoints whose logs there may be: the configured ones, and others of the store.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    tags = await known_tags(store.redis, store.keys)
    return sorted({*configured, *map(endpoint_of, tags)})


async def find_row(store: Store, configured: list[str], wanted: str) -> Rejection:
    """Give the one row that is meant, with its body.

    Args:
        store: Where it is.
        configured: Names of endpoints.
        wanted: ``<endpoint>/<entry id>``, or the entry id alone, or the id of the answer.

    Raises:
        CommandFailed: There is none, or there are several.
        RedisError, OSError: The store refuses it, or is away.
    """
    rows = await _matching(store, configured, wanted)
    if len(rows) == 1:
        return rows[0]
    if rows:
        found = ", ".join(map(name_of, rows))
        raise CommandFailed(f"Several refusals have this id: {found}. Say which.")
    raise CommandFailed(
        f"No refusal {printable(wanted)} is in the log. It keeps a few of each second, for 24 "
        "hours, and others are only counted; see: relay rejections list"
    )


async def _matching(store: Store, configured: list[str], wanted: str) -> list[Rejection]:
    endpoint, slash, entry_id = wanted.rpartition("/")
    if slash and not (is_name(endpoint) and is_entry_id(entry_id)):
        raise CommandFailed(
            f"{printable(wanted)} is no ID: it is written <endpoint>/<entry id>, as "
            "`relay rejections list` shows it, or as the relay-request-id of the answer.",
            exit_code=WRONG_USAGE,
        )
    names = [endpoint] if slash else await endpoints_of(store, configured)
    found = [await read_row(store.redis, store.keys, name, entry_id) for name in names]
    rows = [row for row in found if row is not None]
    if rows or slash:
        return rows
    return await rows_of_request(store.redis, store.keys, names, wanted)


def name_of(row: Rejection) -> str:
    """Give the ID of a row, as it is printed and typed."""
    return f"{row.endpoint}/{row.id}"
