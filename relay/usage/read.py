"""Reads the book of an endpoint, for commands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from redis.asyncio import Redis

from relay.contract.connect import send_command, text_of
from relay.contract.keys import Keys
from relay.endpoint import Secret

# What the names in a book begin with; `LOADED` is the whole of one.
OUTCOME = "outcome:"
SECRET = "secret:"  # noqa: S105 - a word of the book
LOADED = "loaded"
HOLDS = "holds:"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often something happened, and when.

    Args:
        count: How often.
        first_ms: For the first time, ms since the epoch.
        last_ms: For the last time, likewise.
    """

    count: int
    first_ms: int
    last_ms: int


def together(outcomes: Collection[Outcome]) -> Outcome | None:
    """Add up what several say; none where there is nothing."""
    if not outcomes:
        return None
    return Outcome(
        sum(each.count for each in outcomes),
        min(each.first_ms for each in outcomes),
        max(each.last_ms for each in outcomes),
    )


@dataclass(frozen=True, slots=True)
class SecretUsage:
    """What a secret has proved.

    Args:
        name: Where it was read from.
        fingerprint: Of its content.
        used: How often and when it was the first of its endpoint's that fitted.
    """

    name: str
    fingerprint: str
    used: Outcome


@dataclass(frozen=True, slots=True)
class Held:
    """The secrets of an endpoint that a gateway has, or several gateways alike.

    Args:
        fingerprints: Of their content; also of those that do not count yet, or no more.
        first_ms: When one first said so, ms since the epoch.
        last_ms: When one last did, likewise.
        count: How often it was said; more with each time, whatever clocks say.
    """

    fingerprints: frozenset[str]
    first_ms: int
    last_ms: int
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUsage:
    """What the book of an endpoint says.

    Args:
        loaded_ms: When a gateway last said that it has the endpoint; none where none ever did.
        outcomes: By name: ``stored``, ``duplicate``, a reason, ….
        secrets: Those that have ever proved a delivery.
        held: What gateways have had of its secrets; each says it once a minute.
    """

    loaded_ms: int | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    secrets: tuple[SecretUsage, ...] = ()
    held: tuple[Held, ...] = ()

    def proved_by(self, fingerprint: str | None) -> Outcome | None:
        """Say how often and when a secret proved something, wherever gateways have read it from.

        Args:
            fingerprint: Of its content; none for one that cannot be read here.
        """
        return together([one.used for one in self.secrets if one.fingerprint == fingerprint])

    def of(self, secret: Secret) -> Outcome | None:
        """Say how often and when a secret with this name and content proved something."""
        wanted = secret.name, secret.fingerprint
        return next(
            (each.used for each in self.secrets if (each.name, each.fingerprint) == wanted), None
        )


async def read_usage(redis: Redis, keys: Keys, endpoint: str) -> EndpointUsage:
    """Read the book of an endpoint; fields that are none of ours are passed over.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    raw = await send_command(redis, "HGETALL", keys.usage(endpoint))
    pairs = raw.items() if isinstance(raw, Mapping) else zip(raw[::2], raw[1::2], strict=True)
    outcomes: dict[str, Outcome] = {}
    secrets: list[SecretUsage] = []
    held: list[Held] = []
    loaded_ms = None
    for name, value in ((text_of(name), text_of(value)) for name, value in pairs):
        used = _read(value)
        if used is None:
            continue
        if name.startswith(OUTCOME):
            outcomes[name.removeprefix(OUTCOME)] = used
        elif name.startswith(SECRET):
            whose, _, fingerprint = name.removeprefix(SECRET).rpartition("#")
            secrets.append(SecretUsage(whose, fingerprint, used))
        elif name.startswith(HOLDS):
            fingerprints = filter(None, name.removeprefix(HOLDS).split(","))
            held.append(Held(frozenset(fingerprints), used.first_ms, used.last_ms, used.count))
        elif name == LOADED:
            loaded_ms = used.last_ms
    return EndpointUsage(
        loaded_ms=loaded_ms, outcomes=outcomes, secrets=tuple(secrets), held=tuple(held)
    )


def _read(value: str) -> Outcome | None:
    parts = value.split(" ")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 20 for part in parts):
        return None
    return Outcome(*map(int, parts))
