"""What the steps of a rotation share: Unipile, the store, the secrets here, and what is said."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relay.commands.secrets.known import Known, read_book
from relay.commands.secrets.words import HELD_MS
from relay.commands.store import Store
from relay.commands.unipile.reloading import Say
from relay.commands.unipile.rotate.standing import Standing, read_standing
from relay.commands.unipile.secret_here import Keeping, keeping
from relay.usage import EndpointUsage

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

# For so long after the first has it another one may say what it had before.
DRAIN_MS = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """An endpoint here whose endpoint at Unipile is being replaced.

    Args:
        name: Of the endpoint here.
        api: Of Unipile.
        store: Of the gateways.
        environ: Environment variables.
        redis_url: What ``--redis-url`` said, if anything.
        reload_seconds: How long gateways may take.
        retry_seconds: For how long Unipile may try again what it has signed.
        out: Takes a line.
        says: All lines until now.
    """

    name: str
    api: "UnipileApi"
    store: Store
    environ: dict[str, str]
    redis_url: str | None
    reload_seconds: float
    retry_seconds: int
    out: Say
    says: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Say a line, and keep it."""
        self.says.append(line)
        self.out(line)

    def command(self, option: str = "") -> str:
        """Give the command that goes on with it."""
        return f"`{f'relay unipile rotate {self.name} {option}'.rstrip()}`"

    def keeping(self) -> Keeping:
        """Read the secrets here anew, and judge whether they can be changed."""
        return keeping(self.name, self.environ, self.redis_url)

    async def standing(self) -> Standing:
        """Find out anew where it stands."""
        return await read_standing(self.api, self.keeping())

    async def usage(self) -> EndpointUsage:
        """Read the endpoint's book."""
        return await read_book(self.store, self.name)


def is_lacking(known: Known, usage: EndpointUsage, at_ms: int) -> bool:
    """Tell whether a gateway has no such secret, although others have had it for a while.

    Each gateway reads its own file: one that has taken its configuration over may still lack it.
    """
    having = [each.first_ms for each in usage.held if known.fingerprint in each.fingerprints]
    if not having:
        return False
    since_ms = max(min(having) + DRAIN_MS, at_ms - HELD_MS)
    return any(
        known.fingerprint not in each.fingerprints and each.last_ms > since_ms
        for each in usage.held
    )


def now_ms() -> int:
    """Give the present, ms since the epoch."""
    return time.time_ns() // 1_000_000
