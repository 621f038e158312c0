"""How both programs read their configuration: one file, the environment, options.

Pure: mappings come in, a frozen settings object goes out, or one error that names every fault.
Options win over the environment, the environment over the file. Values are never repeated in a
fault, since any of them may be a secret.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from relay.contract.caps import Cap, Caps, OnFull, find_tie
from relay.contract.credentials import RedisSection, left_by_url, put_into_url
from relay.contract.errors import ConfigurationFault
from relay.contract.keys import Keys, is_name
from relay.contract.logs import LogFormat, LogLevel
from relay.contract.patterns import Pattern, parse_pattern
from relay.contract.references import A_TIME, BoundedReference, ReadFile, read_secret_file
from relay.contract.surroundings import CONFIG_VARIABLE

ENV_PREFIX = "RELAY_"

_OF_A_SERVICE = re.compile(r"RELAY_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_\w+)")

SettingsT = TypeVar("SettingsT", bound="FileSettings")


def _check_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(
            "a name is 1 to 63 lower-case letters, digits and hyphens, for example my-app"
        )
    return name


def _check_pattern(text: str) -> str:
    parse_pattern(text)
    return text


def _check_durability(text: str) -> str:
    if not re.fullmatch(r"local|replicated:[1-9]", text):
        raise ValueError('"local", or "replicated:N" with N replicas, 1 to 9')
    return text


Name = Annotated[str, AfterValidator(_check_name)]
PatternText = Annotated[str, AfterValidator(_check_pattern)]
Durability = Annotated[str, AfterValidator(_check_durability)]


def replicas_of(durability: str) -> int:
    """Say how many replicas a durability asks for."""
    return int(durability.partition(":")[2] or 0)


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkerSection(Section):
    """``[worker]``: how worker processes behave."""

    # How long running handlers may go on after SIGTERM.
    grace_seconds: Annotated[float, Field(ge=0)] = 25.0
    # Where health and metrics are asked for. Off unless given: two workers on one machine must
    # not fight for a default.
    admin_host: str = "127.0.0.1"
    admin_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    # How long settled events are kept, and how long a silent group still holds its streams.
    retention_seconds: Annotated[int, Field(ge=60, le=10 * 366 * 86_400)] = 7 * 86_400


class CapSection(Section):
    """``[caps."endpoint:pattern"]``: how much each stream that is meant may hold."""

    # Off: a stream's memory is what counts.
    max_entries: Annotated[int | None, Field(ge=1)] = None
    # None means a quarter of what the store may use; 0 means no bound.
    max_bytes: Annotated[int | None, Field(ge=0)] = None
    # Nothing is lost unless an operator wants it.
    on_full: OnFull = "reject"


class FileSettings(BaseSettings):
    """What both programs read from ``relay.toml``."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    prefix: Name = "relay"
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    redis: RedisSection = RedisSection()
    worker: WorkerSection = WorkerSection()
    groups: dict[Name, list[PatternText]] = Field(default_factory=dict)
    caps: dict[PatternText, CapSection] = Field(default_factory=dict)

    @field_validator("caps")
    @classmethod
    def _one_cap_each(cls, caps: dict[str, CapSection]) -> dict[str, CapSection]:
        if tie := find_tie(caps):
            raise ValueError(
                f"{tie[0]} and {tie[1]} say equally much of the same streams; make one of them "
                "more specific"
            )
        return caps

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but what `load` hands in."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def keys(self) -> Keys:
        """Makes the keys under the configured prefix."""
        return Keys(self.prefix)

    @property
    def held_groups(self) -> dict[str, list[Pattern]]:
        """Group name -> patterns of the streams that it must not miss."""
        return {
            name: [parse_pattern(text) for text in patterns]
            for name, patterns in self.groups.items()
        }

    @property
    def stream_caps(self) -> Caps:
        """How much each stream may hold."""
        return Caps(
            {
                text: Cap(section.max_entries, section.max_bytes, section.on_full)
                for text, section in self.caps.items()
            }
        )

    @property
    def redis_url(self) -> str:
        """The store's URL in clear: user and password included, wherever they were named."""
        return self.redis.url.get_secret_value()

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        toml: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        read_file: ReadFile = read_secret_file,
    ) -> Self:
        """Build the settings.

        Args:
            environ: Environment variables.
            toml: The parsed file; empty without one.
            options: What the command line said, in the form of the file.
            read_file: Gives the text of a file that holds a password of the store.

        Raises:
            ConfigurationFault: One sentence per fault, all of them.
        """
        merged = merge_sources(cls, environ, toml, options or {})
        return cls.build(merged, put_into_url(merged, environ, read_file))

    @classmethod
    def build(cls, merged: Mapping[str, Any], faults: Sequence[str]) -> Self:
        """Check settings that were merged.

        Args:
            merged: In the form of the file.
            faults: What was found to be wrong before.

        Raises:
            ConfigurationFault: One sentence per fault, all of them.
        """
        try:
            settings = cls(**merged)
        except ValidationError as error:
            raise ConfigurationFault([*faults_of(error), *faults]) from None
        if faults:
            raise ConfigurationFault(list(faults))
        return settings


class _Environ(EnvSettingsSource):
    """pydantic-settings' reading of variables, over a mapping that was handed in."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name.lower(): value
            for name, value in self._environ.items()
            if name.upper().startswith(ENV_PREFIX) and not _from_kubernetes(name.upper(), value)
        }


def merge_sources(
    settings_cls: type[FileSettings],
    environ: Mapping[str, str],
    toml: Mapping[str, Any],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Lay file, environment and options over each other, the last winning.

    ``REDIS_URL`` counts where neither the file nor ``RELAY_REDIS__URL`` names a store.

    Raises:
        ConfigurationFault: A variable that should be JSON is not.
    """
    try:
        variables = _Environ(settings_cls, environ)()
    except (ValueError, RecursionError) as error:  # a value that should be JSON and is not
        raise ConfigurationFault([f"{ENV_PREFIX}…: {error}"]) from None
    fallback = {"redis": {"url": environ["REDIS_URL"]}} if environ.get("REDIS_URL") else {}
    merged: dict[str, Any] = dict(fallback)
    for upper in (toml, variables, options):
        merged = _over(left_by_url(merged, upper), upper)
    return merged


def unknown_variables(settings_cls: type[FileSettings], environ: Mapping[str, str]) -> list[str]:
    """Name the variables that begin like ours and set nothing, most likely misspelt.

    Args:
        settings_cls: What can be set.
        environ: Environment variables.

    Returns:
        Their names, sorted; those that Kubernetes injects are left out.
    """
    fields = {
        ENV_PREFIX + name.upper(): field.get_default(call_default_factory=True)
        for name, field in settings_cls.model_fields.items()
    }
    tables = {name for name, default in fields.items() if isinstance(default, BaseModel | dict)}
    return sorted(
        name
        for name, value in environ.items()
        if name.upper().startswith(ENV_PREFIX)
        and name.upper() not in fields
        and name != CONFIG_VARIABLE
        and not ("__" in name and name.upper().partition("__")[0] in tables)
        and not _from_kubernetes(name.upper(), value)
    )


def faults_of(error: ValidationError) -> list[str]:
    """Say each fault of a validation in a sentence: the setting, its variable, what was wrong."""
    faults = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        path = [str(part) for part in item["loc"] if part != "[key]"]
        variable = ENV_PREFIX + "__".join(part.upper() for part in path)
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "there is no such setting; look for a misspelling in docs/reference"
        if item["type"] == "tuple_type":
            message = "a list, in square brackets"
        if item["type"].startswith("datetime_"):
            message = A_TIME
        faults.append(f"{'.'.join(path)} ({variable}): {message}")
    return faults


def _from_kubernetes(name: str, value: str) -> bool:
    """Know the variables that Kubernetes injects for services called ``relay`` or ``relay-…``."""
    return bool(_OF_A_SERVICE.fullmatch(name)) or (name.endswith("PORT") and "://" in value)


def _over(under: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in upper.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        if both and not _is_reference(value):
            value = _over(below, value)  # type: ignore[arg-type]  # noqa: PLW2901
        merged[key] = value
    return merged


def _is_reference(table: Mapping[str, Any]) -> bool:
    """Know where a secret is read from: a file that a variable names is not beside a variable."""
    # An empty table says nothing, and takes nothing away.
    return bool(table) and (
        table.keys() <= BoundedReference.model_fields.keys()
        and all(isinstance(value, str | datetime) for value in table.values())
    )
