"""Which store this worker process reads from, for resources that write into it themselves.

What ``relay worker`` was told goes in, whether by file, variable or option; whoever is opened in
the process asks for it. Nothing is opened here.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field

from consumers.settings import Settings
from relay.contract.caps import Caps
from relay.contract.keys import Keys


@dataclass(frozen=True, slots=True)
class Here:
    """The store of a worker process.

    Args:
        url: Where it is, user and password included.
        keys: Makes the keys.
        caps: How much each stream may hold.
        replicas: How many replicas must have an event that is appended here.
    """

    url: str = field(repr=False)
    keys: Keys
    caps: Caps
    replicas: int


_here: ContextVar[Here] = ContextVar("relay_worker_store")


def set_here(settings: Settings) -> None:
    """Have what is opened from now on in this task know where the process reads."""
    _here.set(Here(settings.redis_url, settings.keys, settings.stream_caps, settings.replicas))


def here() -> Here:
    """Say where this process reads.

    Raises:
        RuntimeError: No worker process runs here, as in a test without a store.
    """
    try:
        return _here.get()
    except LookupError:
        raise RuntimeError(
            "it appends events of its own, so it needs a store: run it by relay worker"
        ) from None
