"""The workers' settings: what they need of ``relay.toml`` and the environment.

The gateway's own settings may stand in the same file and are passed over here.

Source: docs/reference/configuration.md.
"""

from pydantic_settings import SettingsConfigDict

from relay.contract.config import ENV_PREFIX, FileSettings


class Settings(FileSettings):
    """Everything a worker can be told besides its handlers."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True
    )
