"""Accepts rows one after the other: those that were named, or all of an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.commands.rejections.accepting import Accepting, Force, Said
from relay.commands.rejections.asking import confirm
from relay.commands.rejections.find import name_of
from relay.commands.rejections.judging import Configured, configured
from relay.commands.rejections.looking import Choice, chosen_rows
from relay.commands.rejections.storing import storing
from relay.commands.store import Store, opened
from relay.contract.display import tell, warn
from relay.contract.explain import CommandFailed
from relay.contract.logs import configure_logs
from relay.contract.printable import printable
from relay.rejections.accepted import read_acceptances


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be accepted.

    Args:
        ids: Rows by their IDs.
        choice: Which rows of an endpoint, instead.
        force: Who insists on what does not verify, if anybody does.
        yes: Nobody need be asked.
    """

    ids: Sequence[str] = ()
    choice: Choice | None = None
    force: Force | None = None
    yes: bool = False


async def accept_each(redis_url: str | None, wanted: Wanted) -> bool:
    """Accept rows, and say of each what became of it.

    Returns:
        Whether nothing is left to do about any of them.
    """
    known = configured(redis_url)
    configure_logs(known.settings.log_format, log_level=known.settings.log_level)
    _say_what_is_not_read(known)
    async with opened(known.settings) as store:
        ids = list(wanted.ids)
        if wanted.choice is not None:
            ids = await _all_of(store, wanted.choice)
            if not ids:
                tell("There is nothing to accept.")
                return True
        is_many = wanted.choice is not None or (wanted.force is not None and len(ids) > 1)
        if is_many:
            confirm(f"Accept {len(ids)} refused deliveries?", yes=wanted.yes)
        async with storing(store, known.settings, known.endpoints) as through:
            accepting = Accepting(store, known, through, wanted.force)
            return await _accept(accepting, ids)


async def _accept(accepting: Accepting, ids: Sequence[str]) -> bool:
    are_fine = True
    for wanted in ids:
        try:
            said = await accepting.accept(wanted)
        except CommandFailed as why:
            if len(ids) == 1:
                raise
            said = Said(str(why), is_fine=False)  # the others are none the worse for it
        (tell if said.is_fine else warn)(said.line)
        are_fine = are_fine and said.is_fine
    return are_fine


async def _all_of(store: Store, choice: Choice) -> list[str]:
    """Give the IDs of all rows that are meant and not accepted yet, the oldest first."""
    name = choice.endpoint or ""
    rows = await chosen_rows(store, name, choice)
    noted = await read_acceptances(store.redis, store.keys, name, [row.id for row in rows])
    return [name_of(row) for row in reversed(rows) if row.id not in noted]


def _say_what_is_not_read(known: Configured) -> None:
    for faults in known.faults.values():
        for fault in faults:
            warn(f"relay: not tried, since it cannot be read here: {printable(fault, 1000)}")
