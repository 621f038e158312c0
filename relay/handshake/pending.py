"""The book of secrets that came by handshakes and wait for an operator.

Anyone can send such a handshake, so none of them is ever used before an operator has accepted it,
and how many may wait is bounded: the first stay, and the rest is refused.
"""

import hashlib
from dataclasses import dataclass, field

from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, send_command, text_of
from relay.contract.errors import StoreUnavailable, TooManySecrets
from relay.contract.keys import Keys
from relay.contract.logs import Logger
from relay.contract.script import Script

# A set-up is finished on the day it was begun.
KEEP_MS = 24 * 3600 * 1000
# One is expected; a few more let an operator begin anew without dropping what came before.
MAX_PER_ENDPOINT = 8
MAX_TOTAL = 256
FINGERPRINT_CHARACTERS = 16

_keep = Script("relay.handshake", "keep")
_waiting = Script("relay.handshake", "waiting")
_log = Logger("relay.handshake")


@dataclass(frozen=True, slots=True)
class PendingSecret:
    """A secret that waits.

    Args:
        endpoint: For which it came.
        fingerprint: By which people tell it from others.
        came_at_ms: When, by the store's clock, in ms since the epoch.
        secret: The secret itself.
    """

    endpoint: str
    fingerprint: str
    came_at_ms: int
    secret: str = field(repr=False)


def fingerprint_of(secret: str) -> str:
    """Name a secret without showing it: the beginning of its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


class PendingSecrets:
    """The book.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes its key.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.secrets_pending

    async def keep(self, endpoint: str, secret: str) -> None:
        """Keep a secret for an operator; sending it twice keeps it once.

        Raises:
            TooManySecrets: As many wait as may.
            StoreUnavailable: The store did not confirm.
        """
        fingerprint = fingerprint_of(secret)
        bounds = (KEEP_MS, MAX_PER_ENDPOINT, MAX_TOTAL)
        try:
            said = text_of(
                await _keep(self._redis, [self._key], endpoint, fingerprint, secret, *bounds)
            )
        except (RedisError, *UNKNOWN_OUTCOME):
            # Its message quotes what was sent.
            raise StoreUnavailable from None
        if said == "full":
            raise TooManySecrets
        if said == "kept":
            _log.warning("secret_pending", endpoint=endpoint, fingerprint=fingerprint)

    async def waiting(self) -> list[PendingSecret]:
        """Give those that wait, by endpoint and then by age."""
        raw = await _waiting(self._redis, [self._key], KEEP_MS)
        texts = [text_of(each) for each in raw]
        pairs = zip(texts[::2], texts[1::2], strict=True)
        found = [_read(name, value) for name, value in pairs]
        return sorted(found, key=lambda each: (each.endpoint, each.came_at_ms))

    async def remove(self, pending: PendingSecret) -> None:
        """Take one out of the book; it may be gone already."""
        name = f"{pending.endpoint}|{pending.fingerprint}"
        await send_command(self._redis, "HDEL", self._key, name)


def _read(name: str, value: str) -> PendingSecret:
    endpoint, _, fingerprint = name.partition("|")
    came, _, secret = value.partition(" ")
    return PendingSecret(endpoint, fingerprint, int(came), secret)
