"""Registers an endpoint: made with its secret kept, or the one that is there taken over.

At every moment what is at Unipile has its secret here, or is said; and nothing is named here that
Unipile does not have.
"""

from asyncio import CancelledError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relay.commands.unipile.asking import Asking
from relay.commands.unipile.creating import create_kept
from relay.commands.unipile.endpoints.doubt import hinting
from relay.commands.unipile.endpoints.keepers import Keeper, Stored, Wanted
from relay.contract.display import warn
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint, UnipileFailed
from relay.unipile.compare import differing, is_same_url

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

IN_DOUBT = "It may be there all the same: run this again, and what is there is found by its URL."
RESTRICTED = (
    "Accounts that are linked later are not covered by its list: `relay unipile endpoints update "
    "{id} --add-account …` adds one."
)
NAMES = {"trigger_events": "events", "account_ids": "accounts"}


@dataclass(frozen=True, slots=True)
class Registered:
    """What was done.

    Args:
        did: In a word, for programs.
        says: In sentences.
        endpoint: As Unipile has it now.
        file: Where its secret is; none where it counted already.
        toml: What is to be added to ``relay.toml``.
    """

    did: str
    says: list[str]
    endpoint: UnipileEndpoint
    file: Path | None
    toml: list[str]


async def register_endpoint(
    opened: Asking, wanted: Wanted, keeper: Keeper, *, adopt: bool
) -> Registered:
    """Register an endpoint.

    Args:
        opened: Reaches Unipile.
        wanted: What it is to be like.
        keeper: Keeps its secret.
        adopt: One that has this URL already is taken over.

    Raises:
        UnipileFailed: Nothing was done.
        CommandFailed: What was done, or not, is in its words.
    """
    async with opened as api:
        there = [each for each in await api.list_endpoints() if is_same_url(each.url, wanted.url)]
        if not there:
            try:
                with hinting(IN_DOUBT, wanted.events or ()):
                    made, kept = await create_kept(api, wanted.body, keeper.keep)
            except CancelledError:  # Ctrl-C
                warn(f"relay: Broken off while Unipile was asked. {IN_DOUBT}")
                raise
            return _registered("created", made, kept, differing(made, wanted.body))
        if not adopt or len(there) > 1:
            raise _there_already(there, keeper)
        return await _taken_over(api, there[0], wanted, keeper)


async def _taken_over(
    api: "UnipileApi", there: UnipileEndpoint, wanted: Wanted, keeper: Keeper
) -> Registered:
    """Keep the secret of an endpoint, and have it be as wanted where something was said of that."""
    kept = keeper.keep(there.secret)
    changes: dict[str, object] = {**wanted.rest}
    if wanted.events is not None:
        changes["trigger_events"] = wanted.events
    if not differing(there, changes):
        return _registered("adopted", there, kept, [])
    changes.setdefault("account_ids", list(there.accounts))
    shown = printable(there.id, 80)
    try:
        with hinting(f"`relay unipile endpoints show {shown}` says.", wanted.events or (), there):
            changed = await api.update_endpoint(there.id, changes)
    except (CommandFailed, UnipileFailed) as failure:
        raise CommandFailed(
            f"{' '.join(kept.says)}\n{failure}\nThe endpoint {shown} was taken over as it was; "
            f"`relay unipile endpoints update {shown}` changes it."
        ) from None
    return _registered("adopted", changed, kept, differing(changed, changes))


def _registered(
    did: str, endpoint: UnipileEndpoint, kept: Stored, differ: Sequence[str]
) -> Registered:
    shown = printable(endpoint.id, 80)
    first = "Created" if did == "created" else "Took over"
    says = [f"{first} {shown} at Unipile.", *kept.says, *not_as_asked(differ)]
    if not endpoint.enabled:
        says.append(f"It is disabled: `relay unipile endpoints enable {shown}`.")
    if endpoint.accounts:
        says.append(RESTRICTED.format(id=shown))
    return Registered(did, says, endpoint, kept.file, list(kept.toml))


def not_as_asked(differ: Sequence[str]) -> list[str]:
    """Say what Unipile has made otherwise than it was asked."""
    return [f"Unipile has other {NAMES.get(name, name)} than it was asked for." for name in differ]


def _there_already(there: Sequence[UnipileEndpoint], keeper: Keeper) -> CommandFailed:
    ids = ", ".join(printable(each.id, 80) for each in there[:10])
    if len(there) > 1:
        return CommandFailed(
            f"Unipile has {len(there)} endpoints with this URL already: {ids}. Delete those that "
            "are too many with `relay unipile endpoints delete`; --adopt takes over the one that "
            "is left. Nothing was done."
        )
    if keeper.holds(there[0].secret):
        said = "its secret counts here already, so nothing is missing"
    else:
        said = "--adopt takes it over with its secret"
    return CommandFailed(
        f"Unipile has an endpoint with this URL already: {ids}; {said}. A second one would bring "
        "each event twice. Nothing was done."
    )
