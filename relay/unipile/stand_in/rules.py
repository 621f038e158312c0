"""How the stand-in behaves where a test may want it otherwise.

Plain values; it never acts on them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.contract.examples import example_types

# Met in earlier lists of the API, and in none of the later ones.
WITHDRAWN_TYPES = frozenset({"account.status.paused", "relation.request.accept"})
# Assumption: forty types are known
KNOWN_TYPES = frozenset(example_types("unipile")) - WITHDRAWN_TYPES

DEFAULT_KEY = "stand-in"
# Assumption: failed deliveries are tried again
RETRY_SECONDS = (0.5, 1.0, 2.0)

# What is remembered, so that a stand-in may run for days.
MOST_ACCOUNTS = 10_000
# Assumption: there may be many endpoints
MOST_ENDPOINTS = 1000
MOST_EVENTS = 10_000
# Assumption: the log keeps 100,000 attempts of an endpoint
MOST_CONVERSATIONS = 100_000
MOST_WAITING = 10_000  # deliveries
MOST_FAULTS = 10_000
# Assumption: answers in the log are cut
MOST_RESPONSE_CHARACTERS = 4096
MOST_REQUEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be otherwise at Unipile, since nobody documents it, or in a test.

    Args:
        timeout_seconds: How long a receiver may take to answer, over 0.
        concurrency: How many deliveries are on their way at once, 1 or more.
        fresh_time: Whether each attempt signs its own time; otherwise that of the first.
        omitted_accounts_reset: Whether an update that does not name ``account_ids`` makes the
            endpoint take every account; otherwise the list stays.
        page_size: The most that one page of a list holds, whatever is asked for.
        types: The names that an endpoint may be created for.
        scoped_keys: API keys that may do other things, and are answered 403 here.
        clock: Unix seconds; a test may move them.
    """

    # Assumption: a receiver has ten seconds
    timeout_seconds: float = 10.0
    # Assumption: sixteen deliveries at once
    concurrency: int = 16
    # Assumption: each attempt signs its own time
    fresh_time: bool = True
    # Assumption: an update without accounts keeps them
    omitted_accounts_reset: bool = False
    # Assumption: a page holds at most a hundred
    page_size: int = 100
    types: frozenset[str] = KNOWN_TYPES
    # Assumption: a scoped key may not manage webhooks
    scoped_keys: frozenset[str] = field(default=frozenset(), repr=False)
    clock: Callable[[], float] = time.time
