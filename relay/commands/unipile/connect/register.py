"""Has Unipile have exactly one endpoint with a URL, whose secret is kept here.

One that is there is taken over; a new one whose secret cannot be kept is deleted again.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relay.commands.edit import Draft
from relay.commands.secrets.keep import Kept
from relay.commands.unipile.creating import create_kept
from relay.commands.unipile.endpoints.doubt import hinting
from relay.commands.unipile.keeping import Keeping
from relay.commands.unipile.wishes import event_names
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint
from relay.unipile.compare import differing, is_same_url

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

Did = Literal["created", "changed", "found"]

IN_DOUBT = "It may be done all the same: run this again, which goes on with what is there."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the endpoint at Unipile is to be like.

    Args:
        url: Where it delivers to.
        events: The types, in names and patterns; none for all, or for what there is.
        accounts: The accounts; none for all, or for what there is.
        description: Of it; none for none, or for what there is.
    """

    url: str
    events: Sequence[str] | None = None
    accounts: Sequence[str] | None = None
    description: str | None = None

    @property
    def body(self) -> dict[str, object]:
        """What a new one is made of."""
        made: dict[str, object] = {
            "url": self.url,
            "trigger_events": event_names(self.events or ()),
        }
        if self.accounts:
            made["account_ids"] = list(self.accounts)
        if self.description is not None:
            made["description"] = self.description
        return made

    def changes(self, found: UnipileEndpoint) -> dict[str, object]:
        """Give what one that is there lacks; nothing where it is as it is to be."""
        wanted: dict[str, object] = {"enabled": True}
        if self.events is not None:
            wanted["trigger_events"] = event_names(self.events)
        if self.accounts is not None:
            wanted["account_ids"] = list(self.accounts)
        if self.description is not None:
            wanted["description"] = self.description
        changes = {name: wanted[name] for name in differing(found, wanted)}
        # Always said: what Unipile makes of an update without them is not documented.
        return {"account_ids": list(found.accounts), **changes} if changes else {}


@dataclass(frozen=True, slots=True)
class Registered:
    """An endpoint that Unipile has.

    Args:
        endpoint: As it is now.
        did: What became of it.
        kept: Its secret's file, and ``relay.toml``; none where the secret was here already.
        others: Further ones with its URL, whose secrets are not here.
        differ: What Unipile has otherwise than it was asked.
    """

    endpoint: UnipileEndpoint
    did: Did
    kept: tuple[Kept, Draft] | None = None
    others: tuple[UnipileEndpoint, ...] = ()
    differ: Sequence[str] = ()


async def register(api: "UnipileApi", wish: Wish, keeping: Keeping) -> Registered:
    """Have Unipile have one endpoint with a URL, and keep its secret.

    Args:
        api: Of Unipile.
        wish: What it is to be like.
        keeping: Keeps its secret, and tells which are here.

    Raises:
        CommandFailed: There are several, and which is meant is not to be told; or the secret could
            not be kept.
        UnipileFailed: It could not be made or changed.
    """
    there = [each for each in await api.list_endpoints() if is_same_url(each.url, wish.url)]
    found = _meant(there, keeping)
    events = wish.body["trigger_events"]
    with hinting(IN_DOUBT, events if isinstance(events, list) else (), found):
        if found is None:
            made, kept = await create_kept(api, wish.body, keeping.keep)
            return Registered(made, "created", kept, differ=differing(made, wish.body))
        others = tuple(each for each in there if each.id != found.id)
        # Kept first: what it delivers from now on is to be refused for as short as can be.
        held = None if keeping.holds(found.secret) else keeping.keep(found.secret)
        changes = wish.changes(found)
        if not changes:
            return Registered(found, "found", held, others)
        changed = await api.update_endpoint(found.id, changes)
        return Registered(changed, "changed", held, others, differing(changed, changes))


def _meant(there: Sequence[UnipileEndpoint], keeping: Keeping) -> UnipileEndpoint | None:
    held = [each for each in there if keeping.holds(each.secret)]
    ids = ", ".join(printable(each.id, 80) for each in held or there)
    if len(held) > 1:
        raise CommandFailed(
            f"Unipile has several endpoints with this URL whose secrets are here ({ids}), so a "
            f"rotation is under way: `relay unipile rotate {keeping.name}` goes on with it."
        )
    if not held and len(there) > 1:
        raise CommandFailed(
            f"Unipile has several endpoints with this URL ({ids}), and no secret of theirs is "
            "here. Delete all but one: `relay unipile endpoints delete ID`."
        )
    return next(iter(held or there), None)
