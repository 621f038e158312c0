"""Numbers, names and places as people write them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from relay.endpoint import Secret

# Of what a sender wrote, enough to know it again.
MAX_SHOWN = 60
# Keys of a header are short; what is longer may be a signature.
MAX_KEY = 8
_ALGORITHMS = {
    "hmac-sha256": "HMAC-SHA256",
    "hmac-sha1": "HMAC-SHA1",
    "hmac-sha512": "HMAC-SHA512",
    "ed25519": "Ed25519",
    "ecdsa-p256": "ECDSA with P-256",
    "rsa-sha256": "RSA with SHA-256",
    "HS256": "HMAC-SHA256",
    "ES256": "ECDSA with P-256",
}


def place_of(secret: Secret) -> str:
    """Say where a secret is configured: ``the variable A``, ``the file /run/secrets/a``."""
    source, colon, name = secret.name.partition(":")
    kind = {"env": "the variable", "file": "the file"}.get(source)
    return f"{kind} {name}" if kind and colon else secret.name


def named(secrets: Iterable[Secret]) -> str:
    """List the secrets that were tried, by name."""
    return listed(place_of(secret) for secret in secrets) or "none"


def listed(texts: Iterable[str], last: str = "and") -> str:
    """Write ``a, b and c``, each once."""
    *some, end = tuple(dict.fromkeys(texts)) or ("",)
    return f"{', '.join(some)} {last} {end}" if some else end


def cut(text: str, limit: int = MAX_SHOWN) -> str:
    """Show the beginning of what a sender wrote."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def shown_key(text: str) -> str:
    """Show a key of a header, as far as it is sure to be one."""
    return text if len(text) <= MAX_KEY else f"a word of {len(text)} characters"


def counted(number: int, thing: str) -> str:
    """Write ``1 byte``, ``2 bytes``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def algorithm_name(algorithm: str) -> str:
    """Write an algorithm as people do."""
    return _ALGORITHMS.get(algorithm, algorithm)


def moment(at_ms: int | None) -> str:
    """Write a time in ms since the epoch: ``2026-12-01 00:00:00 UTC``; empty for none."""
    if at_ms is None:
        return ""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "beyond any calendar"


def span(seconds: float) -> str:
    """Write a span of time: ``3600 s (1 h)``, ``95 s (1 min 35 s)``, ``42 s``."""
    whole = round(abs(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    # What is off by days is not off by seconds.
    values = ((days, "d"), (hours, "h"), (minutes, "min"), (0 if days else rest, "s"))
    return f"{whole} s ({' '.join(f'{value} {unit}' for value, unit in values if value)})"
