"""The options that commands share, and the store that they talk to."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from redis.asyncio import Redis

from consumers.settings import load_settings
from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.contract.surroundings import with_running_dev

# Looking at a large stream takes the server longer than a worker's commands do.
COMMAND_SECONDS = 10.0

RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        help="Where Redis or Valkey is: redis://, unix://, redis+sentinel:// or redis+cluster://; "
        "rediss for TLS. A password on the command line can be seen by others on this machine; "
        "REDIS_URL cannot.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def options_of(redis_url: str | None) -> dict[str, Any]:
    """Give what ``--redis-url`` said in the form of the settings."""
    return {} if redis_url is None else {"redis": {"url": redis_url}}


@asynccontextmanager
async def opened(redis_url: str | None) -> AsyncIterator[tuple[Redis, Keys]]:
    """Have a client, and what makes the keys, within the block.

    Args:
        redis_url: What ``--redis-url`` said, if anything.

    Raises:
        ConfigurationFault: The settings are wrong.
    """
    environ = with_running_dev(os.environ, Path())
    settings = load_settings(environ, **options_of(redis_url))
    redis = connect(settings.redis_url, role="command", timeout_seconds=COMMAND_SECONDS)
    try:
        yield redis, settings.keys
    finally:
        await redis.aclose()


async def now_ms(redis: Redis) -> int:
    """Ask the store for the time, in ms since the epoch: entry ids are made by its clock."""
    seconds, microseconds = await redis.time()
    return 1000 * seconds + microseconds // 1000
