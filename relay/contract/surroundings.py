"""What a program finds where it is started: the configuration file, and a running ``relay dev``.

The result is plain mappings, so that building the settings from them stays pure.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relay.contract.errors import ConfigurationFault

CONFIG_VARIABLE = "RELAY_CONFIG"
CONFIG_FILE = "relay.toml"
DEV_DIRECTORY = ".relay"
DEV_URL_FILE = "redis.url"
DEV_SECRET_FILE = "secret"  # noqa: S105 - a file's name


def read_config_file(environ: Mapping[str, str], directory: Path) -> dict[str, Any]:
    """Read ``relay.toml``, or the file that ``RELAY_CONFIG`` names.

    Returns:
        Its content; empty where there is none and none was named.

    Raises:
        ConfigurationFault: A named file is missing, or the file is not TOML.
    """
    named = environ.get(CONFIG_VARIABLE)
    path = directory / (named or CONFIG_FILE)
    if not named and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationFault(
            [f"{CONFIG_VARIABLE}: cannot read {path}: {error.strerror}"]
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationFault([f"{path} is not TOML: {error}"]) from None


def with_running_dev(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Add the store and the secret of a ``relay dev`` that runs in this directory.

    They count only where nothing else names a store or a secret, so that a second terminal just
    works and production is never redirected.
    """
    found = dict(environ)
    names = {"REDIS_URL": DEV_URL_FILE, "UNIPILE_WEBHOOK_SECRET": DEV_SECRET_FILE}
    for variable, name in names.items():
        path = directory / DEV_DIRECTORY / name
        if not found.get(variable) and path.is_file():
            found[variable] = path.read_text("utf-8", "replace").strip()
    return found
