"""Where the store is, and a client of it for the time of one command."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic_settings import SettingsConfigDict
from redis.asyncio import Redis

from relay.contract.config import FileSettings
from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.contract.surroundings import read_config_file, with_running_dev
from relay.settings import Settings, load_settings

# Looking at a large stream takes the server longer than appending to it.
COMMAND_SECONDS = 10.0

SettingsT = TypeVar("SettingsT", bound=FileSettings)


class StoreSettings(FileSettings):
    """What is needed to look into the store; the rest of the file is not judged.

    A second terminal without the endpoints' secrets can look all the same.
    """

    model_config = SettingsConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True)
class Store:
    """An open client with what names the keys.

    Args:
        redis: The client.
        settings: Prefix, URL and groups.
    """

    redis: Redis
    settings: FileSettings

    @property
    def keys(self) -> Keys:
        """Makes the keys under the configured prefix."""
        return self.settings.keys


def environment() -> dict[str, str]:
    """Give the environment, with what a `relay dev` of this directory adds to it."""
    return with_running_dev(os.environ, Path())


def store_settings(environ: Mapping[str, str], redis_url: str | None) -> StoreSettings:
    """Say where the store is.

    Raises:
        ConfigurationFault: The URL or the prefix cannot be used, or the file cannot be read.
    """
    options = {} if redis_url is None else {"redis": {"url": redis_url}}
    return StoreSettings.load(environ, read_config_file(environ, Path()), options)


def gateway_settings(
    environ: Mapping[str, str], redis_url: str | None, **options: object
) -> Settings:
    """Read all settings of the gateway.

    Args:
        environ: From `environment`.
        redis_url: What ``--redis-url`` said, if anything.
        options: Other settings by name; ``None`` means nothing was said.

    Raises:
        ConfigurationFault: All faults together.
    """
    redis = None if redis_url is None else {"url": redis_url}
    return load_settings(environ, redis=redis, **options)


@asynccontextmanager
async def opened(settings: FileSettings, *, block_seconds: float = 0.0) -> AsyncIterator[Store]:
    """Have a client within the block.

    Args:
        settings: Where the store is.
        block_seconds: The longest that a blocking command waits on the server.
    """
    redis = connect(
        settings.redis_url,
        role="command",
        block_seconds=block_seconds,
        timeout_seconds=COMMAND_SECONDS,
    )
    try:
        yield Store(redis, settings)
    finally:
        await redis.aclose()
