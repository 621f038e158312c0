"""What is added to a failure of Unipile's for the person who typed the command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.unipile import Refused, UnipileEndpoint, UnipileFailed
from relay.unipile.event_names import WITHDRAWN

IN_DOUBT = "It may be done all the same: run this again, which finds what is there."


@contextmanager
def hinting(
    doubt: str, events: Sequence[str] = (), endpoint: UnipileEndpoint | None = None
) -> Iterator[None]:
    """Add to a failure in the block what is to be done about it.

    Args:
        doubt: What to do where nobody knows whether it was done, as a sentence.
        events: The types of events that were sent.
        endpoint: The one whose lists were sent, as it is, if there is one.

    Raises:
        CommandFailed: Unipile has failed, and there was something to add.
    """
    try:
        yield
    except UnipileFailed as failure:
        hints = [doubt] if failure.may_be_done else []
        if isinstance(failure, Refused):
            hints = [*_withdrawn(events, endpoint), *_deleted(endpoint)]
        if not hints:
            raise
        raise CommandFailed(" ".join([str(failure), *hints])) from None


def _withdrawn(events: Sequence[str], endpoint: UnipileEndpoint | None) -> list[str]:
    """Say which types are gone, and how to take those out that an endpoint still names."""
    found = [name for name in events if name in WITHDRAWN]
    hints = [f"{name} was withdrawn by Unipile." for name in found]
    named = [name for name in found if endpoint is not None and name in endpoint.events]
    if endpoint is not None and named:
        options = " ".join(f"--remove-event {name}" for name in named)
        hints.append(f"`relay unipile endpoints update {printable(endpoint.id, 80)} {options}`.")
    return hints


def _deleted(endpoint: UnipileEndpoint | None) -> list[str]:
    """Say which accounts are gone that the list still names, and so has to be sent."""
    if endpoint is None:
        return []
    gone = [each.id for each in endpoint.account_targets or () if each.status == "deleted"]
    if not gone:
        return []
    options = " ".join(f"--remove-account {printable(each, 80)}" for each in gone[:10])
    shown = printable(endpoint.id, 80)
    return [
        f"Accounts of its list are deleted: `relay unipile endpoints update {shown} {options}`."
    ]
