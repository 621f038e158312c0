"""The secrets that are configured, each as far as this terminal can read it.

An endpoint's table and the environment come in; what is known of each secret goes out. One that
only the gateway can read is no fault here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from relay.commands.store import Store, StoreSettings, environment, opened
from relay.contract.config import Name
from relay.contract.connect import ResponseError
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.contract.references import BoundedReference, read_secret, read_secret_file
from relay.contract.registry import is_wrong_type, wrong_type
from relay.contract.surroundings import read_config_file
from relay.endpoint import Secret
from relay.endpoints import EndpointSection
from relay.settings import with_default_endpoint
from relay.usage import EndpointUsage, Outcome, read_usage, together


class EndpointSettings(StoreSettings):
    """Where the store is, and which endpoints there are; their secrets are not read."""

    endpoints: dict[Name, EndpointSection] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """A configured secret.

    Args:
        reference: Where it is, and when it counts.
        secret: Its content; none where this terminal cannot read it.
        fault: Why that is, without any of it.
    """

    reference: BoundedReference
    secret: Secret | None
    fault: str = ""

    @property
    def name(self) -> str:
        """Where it is; safe to print."""
        return self.reference.unread_name if self.secret is None else self.reference.name

    @property
    def fingerprint(self) -> str | None:
        """Of its content, where that could be read."""
        return None if self.secret is None else self.secret.fingerprint

    def counts_at(self, at_ms: int) -> bool:
        """Say whether it counts at a time, ms since the epoch."""
        reference = self.reference
        bounds = reference.not_before_ms, reference.not_after_ms
        return Secret("", reference.name, *bounds).counts_at(at_ms)

    def used(self, usage: EndpointUsage) -> Outcome | None:
        """Say how often and when it proved something, by its name alone where it is unread."""
        if self.secret is not None:
            return usage.of(self.secret)
        return together([each.used for each in usage.secrets if each.name == self.reference.name])


def endpoint_settings(redis_url: str | None) -> EndpointSettings:
    """Read which endpoints there are, the one that a variable alone gives among them.

    Args:
        redis_url: What ``--redis-url`` said, if anything.

    Raises:
        ConfigurationFault: All faults together.
    """
    environ = environment()
    options = {} if redis_url is None else {"redis": {"url": redis_url}}
    toml = with_default_endpoint(environ, read_config_file(environ, Path()))
    return EndpointSettings.load(environ, toml, options)


def section_of(settings: EndpointSettings, endpoint: str) -> EndpointSection:
    """Give the table of an endpoint.

    Raises:
        CommandFailed: There is none of this name.
    """
    section = settings.endpoints.get(endpoint)
    if section is None:
        there = ", ".join(sorted(settings.endpoints)) or "none"
        raise CommandFailed(
            f"No endpoint is called {printable(endpoint, 80)}; configured: {there}.",
            exit_code=WRONG_USAGE,
        )
    return section


def read_known(section: EndpointSection, environ: Mapping[str, str]) -> tuple[Known, ...]:
    """Read the secrets of an endpoint, in its order."""
    return tuple(_read(reference, environ) for reference in section.secrets)


async def read_usages(
    settings: EndpointSettings, names: Sequence[str]
) -> Mapping[str, EndpointUsage]:
    """Read the books of some endpoints."""
    async with opened(settings) as store:
        return {name: await read_book(store, name) for name in names}


async def read_book(store: Store, name: str) -> EndpointUsage:
    """Read the book of an endpoint.

    Raises:
        WrongType: Something else stands in its place.
    """
    try:
        return await read_usage(store.redis, store.keys, name)
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
    raise await wrong_type(store.redis, store.keys.usage(name), "hash")


def _read(reference: BoundedReference, environ: Mapping[str, str]) -> Known:
    try:
        text = read_secret(reference, environ, read_secret_file)
    except ValueError as fault:
        return Known(reference, None, str(fault))
    bounds = reference.not_before_ms, reference.not_after_ms
    return Known(reference, Secret(text, reference.name, *bounds))
