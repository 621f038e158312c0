"""The gateway's settings: environment and ``relay.toml`` in, one frozen object out.

Every default stands here, with its unit and its reason. Secrets are named, never held.

Source: docs/reference/configuration.md.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from relay.contract.config import (
    Durability,
    FileSettings,
    Name,
    Section,
    merge_sources,
    replicas_of,
)
from relay.contract.credentials import put_into_url
from relay.contract.errors import ConfigurationFault
from relay.contract.references import ReadFile, read_secret_file, unset
from relay.contract.surroundings import read_config_file
from relay.endpoint import Endpoint
from relay.endpoints import EndpointSection, Secrets, build_endpoint
from relay.rate import Rate

MIB = 1024 * 1024
DEFAULT_SECRET_VARIABLE = "UNIPILE_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
DEFAULT_ENDPOINT = "unipile"
DEFAULT_TABLE = {"provider": "unipile", "secrets": [{"env": DEFAULT_SECRET_VARIABLE}]}


def _check_host(host: str) -> str:
    try:
        plain = host.encode("idna").decode()
    except UnicodeError:
        plain = ""
    if not plain.strip() or plain != plain.strip():
        # An empty one would mean every address of the machine.
        raise ValueError("an address or a host name; 0.0.0.0 means every address")
    return host


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _check_directory(value: object) -> object:
    # An empty one would be wherever the gateway was started.
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("the path of a directory is needed; without a spool, leave it out")
    return value


Host = Annotated[str, AfterValidator(_check_host)]
Port = Annotated[int, Field(ge=0, le=65535)]


class SpoolSection(Section):
    """``[spool]``: where events are kept while the store does not take them."""

    # Off: a 200 should not hang on a disk that nobody has chosen.
    directory: Annotated[Path | None, BeforeValidator(_check_directory)] = None
    # Of all processes together, an equal part for each.
    max_bytes: Annotated[int, Field(ge=MIB)] = 1024 * MIB


class Settings(FileSettings):
    """Everything the gateway can be told."""

    # Loopback by default: exposing it is a decision.
    host: Host = "127.0.0.1"
    port: Port = 8080
    admin_host: Host = "127.0.0.1"
    admin_port: Port = 8081
    max_body_bytes: Annotated[int, Field(ge=1024, le=512 * MIB)] = 10 * MIB
    # Bodies received and not yet stored, all together.
    body_budget_bytes: Annotated[int, Field(ge=MIB)] = 256 * MIB
    body_seconds: Annotated[float, Field(gt=0)] = 60.0
    # Of senders, per process.
    max_connections: Annotated[int, Field(ge=1)] = 10_000
    # Longer than the proxies in front keep theirs, or they send on one that is just being closed.
    idle_seconds: Annotated[float, Field(gt=0)] = 75.0
    # Their X-Forwarded-For is believed.
    trusted_proxies: tuple[Network, ...] = ()
    # Most senders wait no longer than a few seconds.
    append_deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    # Waiting for replicas costs each delivery their answer, and there are none on most machines.
    durability: Durability = "local"
    grace_seconds: Annotated[float, Field(ge=0)] = 20.0
    # One keeps a core busy; more pay where there are cores for them.
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    spool: SpoolSection = SpoolSection()
    endpoints: dict[Name, EndpointSection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        if self.body_budget_bytes < self.max_body_bytes:
            raise ValueError("body_budget_bytes must be at least max_body_bytes")
        return self

    @property
    def replicas(self) -> int:
        """How many replicas must have an event before it is answered 200."""
        return replicas_of(self.durability)

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        toml: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        read_file: ReadFile = read_secret_file,
    ) -> Self:
        """Build the settings; see `FileSettings.load`.

        Where the file names no endpoint, ``UNIPILE_WEBHOOK_SECRET`` alone gives ``unipile``.

        Raises:
            ConfigurationFault: One sentence per fault, all of them.
        """
        toml = with_default_endpoint(environ, toml)
        merged = merge_sources(cls, environ, toml, options or {})
        faults = [
            *_secret_faults(merged, environ),
            *put_into_url(merged, environ, read_file),
        ]
        return cls.build(merged, faults)


def with_default_endpoint(environ: Mapping[str, str], toml: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the endpoint that there is where the file names none and the variable has a secret."""
    if "endpoints" in toml or not environ.get(DEFAULT_SECRET_VARIABLE):
        return toml
    return {**toml, "endpoints": {DEFAULT_ENDPOINT: dict(DEFAULT_TABLE)}}


def load_settings(environ: Mapping[str, str], **options: object) -> Settings:
    """Read the settings from where the program was started.

    Args:
        environ: Environment variables.
        options: What the command line said; ``None`` means it said nothing.

    Raises:
        ConfigurationFault: All faults together.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return Settings.load(environ, read_config_file(environ, Path()), given)


def build_endpoints(
    settings: Settings,
    environ: Mapping[str, str],
    read_file: ReadFile = read_secret_file,
) -> dict[str, Endpoint]:
    """Read the secrets and give the endpoints by name.

    Args:
        settings: Which endpoints, and where their secrets are.
        environ: Variables that hold secrets.
        read_file: Gives the text of a file that holds one.

    Raises:
        ConfigurationFault: A secret cannot be read, all of them named.
    """
    faults: list[str] = []
    endpoints = {
        name: build_endpoint(name, section, Secrets(environ, read_file, faults))
        for name, section in settings.endpoints.items()
    }
    if faults:
        raise ConfigurationFault(faults)
    return endpoints


def build_rates(settings: Settings, processes: int) -> dict[str, Rate]:
    """Give one process's part of the endpoints' rates by name, of those that have one.

    Args:
        settings: The rates of the whole gateway.
        processes: Among how many they are divided.
    """
    return {
        name: Rate(per_second / processes, max(1.0, burst / processes))
        for name, section in settings.endpoints.items()
        if (per_second := section.rate_limit_per_second)
        and (burst := section.rate_limit_burst or per_second)
    }


def _secret_faults(merged: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Name every secret whose variable is not set, even where other settings are wrong too."""
    faults = []
    for name, endpoint in _table(merged.get("endpoints")).items():
        references = _table(endpoint).get("secrets")
        for number, reference in enumerate(references if isinstance(references, list) else ()):
            variable = _table(reference).get("env")
            if isinstance(variable, str) and not environ.get(variable, "").strip():
                path = f"endpoints.{name}.secrets[{number}]"
                faults.append(f"{path}: {unset(variable)}")
    return faults


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
