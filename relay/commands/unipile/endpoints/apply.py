"""Changes an endpoint at Unipile: it is read, changed, and what Unipile made of it is compared."""

from dataclasses import dataclass

from relay.commands.unipile.endpoints.changes import Changes, body_of
from relay.commands.unipile.endpoints.look import read
from relay.commands.unipile.endpoints.shown import Holders, tell_done, whole_row
from relay.commands.unipile.hinting import hinting
from relay.commands.unipile.opening import Opening
from relay.commands.unipile.wishes import NAMES
from relay.contract.explain import CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint
from relay.unipile.compare import differing


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done.

    Args:
        endpoint: As Unipile has it now.
        sent: Whether anything was to be changed.
        differ: What is not as it was asked for.
    """

    endpoint: UnipileEndpoint
    sent: bool
    differ: list[str]


@dataclass(frozen=True, slots=True)
class Words:
    """How that is said.

    Args:
        did: In a word, where something was changed.
        done: In a sentence, with the endpoint's id in ``{id}``.
        nothing: The same where nothing was to be changed.
        restricted: Said too where it has a list of accounts.
    """

    did: str
    done: str
    nothing: str
    restricted: str = ""


def change(
    unipile: Opening,
    endpoint_id: str,
    changes: Changes,
    words: Words,
    held: Holders,
    *,
    as_json: bool,
) -> None:
    """Change an endpoint, and say how it is then.

    Raises:
        CommandFailed: It was not changed, or is otherwise than it was asked for.
    """
    done = run(_changed(unipile, endpoint_id, changes))
    shown = printable(done.endpoint.id, 80)
    says = [(words.done if done.sent else words.nothing).format(id=shown)]
    if done.sent and done.endpoint.accounts and words.restricted:
        says.append(words.restricted.format(id=shown))
    row = whole_row(done.endpoint, held)
    if done.differ:
        says = []
    tell_done(words.did if done.sent else "nothing", says, row, as_json=as_json)
    if done.differ:
        names = ", ".join(NAMES.get(name, name) for name in done.differ)
        raise CommandFailed(
            f"Unipile has taken the change of {shown}, and answers with other {names} than it was "
            "asked for."
        )


async def _changed(unipile: Opening, endpoint_id: str, changes: Changes) -> Changed:
    async with unipile as api:
        there = await read(api, endpoint_id)
        body = body_of(there, changes)
        if not body:
            return Changed(there, sent=False, differ=[])
        events = body.get("trigger_events")
        shown = printable(there.id, 80)
        with hinting(
            f"It may be changed all the same: `relay unipile endpoints show {shown}` says.",
            events if isinstance(events, list) else (),
            there,
        ):
            changed = await api.update_endpoint(there.id, body)
        return Changed(changed, sent=True, differ=differing(changed, body))
