"""The workers' settings: what they need of ``relay.toml`` and the environment.

The gateway's own settings may stand in the same file and are passed over here.

Source: docs/reference/configuration.md.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import SettingsConfigDict

from relay.contract.config import ENV_PREFIX, Durability, FileSettings, replicas_of
from relay.contract.surroundings import read_config_file


class Settings(FileSettings):
    """Everything a worker can be told besides its handlers."""

    # Of events that a handler of ours appends; those of senders are the gateway's.
    durability: Durability = "local"

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True
    )

    @property
    def replicas(self) -> int:
        """How many replicas must have an event that is appended here."""
        return replicas_of(self.durability)


def load_settings(environ: Mapping[str, str], **options: object) -> Settings:
    """Read the settings from where the program was started.

    Args:
        environ: Environment variables.
        options: What the command line said; ``None`` means it said nothing.

    Raises:
        ConfigurationFault: All faults, each in a sentence.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return Settings.load(environ, read_config_file(environ, Path()), given)
