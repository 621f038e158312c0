"""Says whether an endpoint's own configuration would have dropped an event, by its type alone.

Of an event that never came nothing but its type is known, and not always that. Pure.
"""

from collections.abc import Sequence
from typing import Literal

from relay.contract.patterns import Pattern
from relay.endpoint import Endpoint
from relay.rule import Rule

# Dropped for sure; kept for sure; or it hangs on what is not known.
Fate = Literal["dropped", "kept", "unclear"]


def fate_of(endpoint: Endpoint, event_type: str | None, account: str | None = None) -> Fate:
    """Say what would have become of an event.

    Args:
        endpoint: Whose it is.
        event_type: Under which it would have been stored; none where that is not known.
        account: To which the sender restricts it now, as it need not have been before: it never
            says alone that an event was dropped.
    """
    is_taken = _means(endpoint.event_types, endpoint.name, event_type)
    if is_taken is False:
        return "dropped"
    fates = _fates(endpoint, event_type)
    if is_taken is None or (endpoint.accounts and account not in endpoint.accounts):
        fates.add("dropped")
    return fates.pop() if len(fates) == 1 else "unclear"


def _fates(endpoint: Endpoint, event_type: str | None) -> set[Fate]:
    """Give all that may become of it by the rules, of which the first that fits decides."""
    fates: set[Fate] = set()
    for rule in endpoint.filters:
        fits = _fits(rule, endpoint.name, event_type)
        if fits is False:
            continue
        fates.add("dropped" if rule.to is None else "kept")
        if fits:
            return fates
    fates.add("kept")
    return fates


def _fits(rule: Rule, endpoint: str, event_type: str | None) -> bool | None:
    """Tell whether a rule fits; none where that cannot be told."""
    is_meant = _means(rule.types, endpoint, event_type)
    if is_meant is False:
        return False
    return is_meant if rule.pointer is None and not rule.accounts else None


def _means(patterns: Sequence[Pattern], endpoint: str, event_type: str | None) -> bool | None:
    """Tell whether patterns mean a type, as none of them does any; none where it is not known."""
    if not patterns:
        return True
    if event_type is None:
        return None
    return any(pattern.matches(endpoint, event_type) for pattern in patterns)
