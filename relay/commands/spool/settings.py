"""Where the spool and the store are, for commands that need no secret of an endpoint."""

from collections.abc import Mapping
from pathlib import Path

from relay.commands.store import StoreSettings
from relay.contract.config import Durability
from relay.contract.errors import ConfigurationFault
from relay.contract.surroundings import read_config_file
from relay.settings import SpoolSection
from relay.spool.directory import Directory


class SpoolSettings(StoreSettings):
    """What these commands read."""

    spool: SpoolSection = SpoolSection()
    durability: Durability = "local"


def spool_of(
    environ: Mapping[str, str], spool_dir: Path | None, redis_url: str | None = None
) -> tuple[Directory, SpoolSettings]:
    """Say where the spool is.

    Args:
        environ: Environment variables.
        spool_dir: What the command line said, if anything.
        redis_url: Likewise.

    Raises:
        ConfigurationFault: No directory is configured, or there is none.
    """
    options = {
        "spool": None if spool_dir is None else {"directory": str(spool_dir)},
        "redis": None if redis_url is None else {"url": redis_url},
    }
    given = {name: value for name, value in options.items() if value is not None}
    settings = SpoolSettings.load(environ, read_config_file(environ, Path()), given)
    path = settings.spool.directory
    if path is None:
        raise ConfigurationFault(
            ["spool.directory (RELAY_SPOOL__DIRECTORY): no spool is configured; or say --spool-dir"]
        )
    if not path.is_dir():
        fault = (
            f"spool.directory (RELAY_SPOOL__DIRECTORY): {path} is no directory; a gateway makes it"
        )
        raise ConfigurationFault([fault])
    return Directory(path), settings
