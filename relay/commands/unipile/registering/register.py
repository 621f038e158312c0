"""Registers an endpoint: made with its secret kept, or the one that is there taken over.

At every moment what is at Unipile has its secret kept, or is said; and nothing is named here that
Unipile does not have.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from relay.commands.unipile.hinting import IN_DOUBT, hinting
from relay.commands.unipile.registering.creating import create_kept
from relay.commands.unipile.registering.keepers import Keeper, Stored
from relay.commands.unipile.registering.wanted import WantedEndpoint
from relay.commands.unipile.wishes import NAMES
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint, UnipileFailed
from relay.unipile.compare import differing, is_same_url

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

Did = Literal["created", "changed", "found"]

# Which of those with the URL is meant: none where there is none. What it raises ends the command.
Choose: TypeAlias = Callable[[Sequence[UnipileEndpoint]], UnipileEndpoint | None]

BY_HAND = (
    "`relay unipile endpoints create --no-keep --secret-file PATH` makes one and leaves relay.toml "
    "to you."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An endpoint that Unipile has.

    Args:
        endpoint: As it is now.
        did: What became of it.
        stored: What became of its secret.
        others: Further ones with its URL.
        elsewhere: Further ones with another URL whose secrets counted here before.
        differ: What Unipile has otherwise than it was asked.
    """

    endpoint: UnipileEndpoint
    did: Did
    stored: Stored
    others: Sequence[UnipileEndpoint] = ()
    elsewhere: Sequence[UnipileEndpoint] = ()
    differ: Sequence[str] = ()

    @property
    def doubts(self) -> list[str]:
        """What is perhaps not as it is to be, in sentences."""
        differ = [
            f"Unipile has other {NAMES.get(name, name)} than it was asked for."
            for name in self.differ
        ]
        return [*differ, *map(_said_elsewhere, self.elsewhere)]


async def register(
    api: "UnipileApi", wanted: WantedEndpoint, keeper: Keeper, choose: Choose
) -> Registered:
    """Register an endpoint, and have its secret kept.

    Args:
        api: Of Unipile.
        wanted: What it is to be like.
        keeper: Keeps its secret.
        choose: Says which is taken over of those that have the URL already, or that none may be.

    Raises:
        CommandFailed: It was not registered; or it was taken over, and not changed. Its words say
            what was done.
        UnipileFailed: Nothing was done.
    """
    listed = await api.list_endpoints()
    there = [each for each in listed if is_same_url(each.url, wanted.url)]
    elsewhere = [each for each in listed if each not in there and keeper.holds(each.secret)]
    found = choose(there)
    if found is None:
        with hinting(IN_DOUBT, wanted.new_events):
            made, stored = await create_kept(api, wanted.new_fields, keeper.keep, BY_HAND)
        differ = differing(made, wanted.new_fields)
        return Registered(
            endpoint=made, did="created", stored=stored, elsewhere=elsewhere, differ=differ
        )
    others = [each for each in there if each.id != found.id]
    # Kept first: what it delivers from now on is to be refused for as short as can be.
    stored = keeper.keep(found.secret)
    changes = wanted.changes(found)
    if not changes:
        return Registered(
            endpoint=found, did="found", stored=stored, others=others, elsewhere=elsewhere
        )
    changed = await _changed(api, found, changes, stored)
    return Registered(
        endpoint=changed,
        did="changed",
        stored=stored,
        others=others,
        elsewhere=elsewhere,
        differ=differing(changed, changes),
    )


def _said_elsewhere(other: UnipileEndpoint) -> str:
    shown = printable(other.id, 80)
    return (
        f"Unipile has {shown} too, which delivers to {printable(other.url, 300)}, and its secret "
        "is here: each event may come twice, and no rotation can begin. `relay unipile endpoints "
        f"delete {shown}` removes it. To move an endpoint instead of making another, say `relay "
        f"unipile endpoints update {shown} --url …`."
    )


async def _changed(
    api: "UnipileApi", found: UnipileEndpoint, changes: dict[str, object], stored: Stored
) -> UnipileEndpoint:
    """Change an endpoint whose secret is kept; where that fails, both are said."""
    shown, events = printable(found.id, 80), changes.get("trigger_events")
    try:
        with hinting(IN_DOUBT, events if isinstance(events, list) else (), found):
            return await api.update_endpoint(found.id, changes)
    except (CommandFailed, UnipileFailed) as failure:
        said = [*stored.says, stored.step] if stored.step else stored.says
        raise CommandFailed(
            f"{failure} The endpoint {shown} was taken over as it was; "
            f"`relay unipile endpoints update {shown}` changes it. {' '.join(said)}"
        ) from None
