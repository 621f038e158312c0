"""Where a rotation at Unipile stands, read from what is there: its endpoints, and the secrets here.

There is no file of its own that could say something else after a command was killed. The endpoint
whose secret stands further down in ``relay.toml`` is the first, the other one the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.commands.secrets.known import Known
from relay.commands.unipile.secret_here import Keeping
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint
from relay.unipile.compare import is_same_url
from relay.unipile.event_names import WITHDRAWN

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

# What happens least often comes first; where an endpoint has none of them, its last type is taken.
SELDOM = (
    "account.unlocked",
    "account.locked",
    "calendar.delete",
    "calendar.create",
    "account.remove",
    "account.initial_sync.failed",
    "email.folder.delete",
    "account.status.errored",
)
# Seldom too, and known to every version of the interface: for one that has a single type.
BESIDE = ("calendar.delete", "calendar.create")


@dataclass(frozen=True, slots=True)
class Half:
    """An endpoint at Unipile whose secret is here.

    Args:
        endpoint: As Unipile has it.
        number: Which of the secrets here its own is, counted from 0.
        known: That secret.
    """

    endpoint: UnipileEndpoint
    number: int
    known: Known

    @property
    def name(self) -> str:
        """Its id, safe to print."""
        return printable(self.endpoint.id, 80)

    @property
    def has_end(self) -> bool:
        """Whether its secret counts until a time only, so that it is on its way out."""
        return self.known.reference.not_after_ms is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rotation stands.

    Args:
        keeping: The secrets here.
        first: The endpoint that is to be replaced; the only one while none is under way.
        second: The one that replaces it, once its secret is here.
        left_over: One that a command has made that was killed before its secret was here.
    """

    keeping: Keeping
    first: Half
    second: Half | None
    left_over: UnipileEndpoint | None

    @property
    def both(self) -> tuple[Half, Half]:
        """The first and the second.

        Raises:
            CommandFailed: There is no second one any more.
        """
        if self.second is None:
            raise CommandFailed(
                f"{self.first.name} signs alone: the second endpoint has gone while this command "
                "ran, by another one or at Unipile. Run it again to see where it stands."
            )
        return self.first, self.second


async def read_standing(api: "UnipileApi", keeping: Keeping) -> Standing:
    """Find out where a rotation stands.

    Args:
        api: Of Unipile.
        keeping: The endpoint here, and its secrets.

    Raises:
        CommandFailed: Unipile's endpoints and the secrets here do not make a rotation.
        UnipileFailed: Unipile could not be asked.
    """
    there = await api.list_endpoints()
    halves = sorted(
        (
            Half(each, number, keeping.knowns[number])
            for each in there
            if (number := keeping.number(each.secret)) is not None
        ),
        key=lambda half: half.number,
    )
    if not halves:
        raise _nowhere(keeping)
    if len(halves) > 2 or len({half.endpoint.url for half in halves}) > 1:
        raise CommandFailed(
            f"The endpoint {keeping.name} has the secrets of several endpoints of Unipile that are "
            f"no two of one rotation: {', '.join(half.name for half in halves)}. Delete what is "
            "not needed (`relay unipile endpoints delete ID`), or give each URL an endpoint of its "
            "own.",
            exit_code=WRONG_USAGE,
        )
    first = halves[-1]
    second = halves[0] if len(halves) > 1 else None
    if second is not None and second.number == first.number:
        raise CommandFailed(
            f"{second.name} and {first.name} sign with the same secret, so neither replaces the "
            "other. Delete one of them: `relay unipile endpoints delete ID`."
        )
    return Standing(keeping, first, second, None if second else _left_over(first, there))


def seldom(events: Sequence[str]) -> str:
    """Give the type of event that happens least often, and that Unipile takes.

    Where there is one type only it is another one: an endpoint for that one would be whole already,
    and sign before gateways have its secret. Withdrawn types count for nothing, so it is the same
    once they were taken out of the list.
    """
    taken = [each for each in events if each not in WITHDRAWN]
    if len(set(taken)) <= 1:
        return next(each for each in BESIDE if each not in taken)
    return next((each for each in SELDOM if each in taken), taken[-1])


def is_narrow(one: UnipileEndpoint, other: UnipileEndpoint) -> bool:
    """Tell whether an endpoint is still as it was made to take the place of another one."""
    return list(one.events) == [seldom(other.events)] and set(one.events) != set(other.events)


def covers(one: UnipileEndpoint, other: UnipileEndpoint) -> bool:
    """Tell whether an endpoint has every event that another one has."""
    has_types = set(one.events) >= set(other.events)
    has_accounts = not one.accounts or (
        bool(other.accounts) and set(one.accounts) >= set(other.accounts)
    )
    return has_types and has_accounts


def _left_over(first: Half, there: Sequence[UnipileEndpoint]) -> UnipileEndpoint | None:
    wanted = first.endpoint
    found = [
        each
        for each in there
        if each.id != wanted.id and is_same_url(each.url, wanted.url) and _is_copy(each, wanted)
    ]
    if len(found) > 1:
        raise CommandFailed(
            "Unipile has several endpoints that commands have left which were killed: "
            f"{', '.join(printable(each.id, 80) for each in found)}. Delete all of them: "
            "`relay unipile endpoints delete ID`."
        )
    return found[0] if found else None


def _is_copy(one: UnipileEndpoint, wanted: UnipileEndpoint) -> bool:
    """Tell whether an endpoint can be of ours, which is for the seldom type until it is here.

    One that is merely switched off is somebody's, perhaps since its secret is known to others.
    """
    is_quiet = list(one.events) == [seldom(wanted.events)]
    is_alike = set(one.accounts) == set(wanted.accounts)
    return is_quiet and is_alike and (one.description or "") == (wanted.description or "")


def _nowhere(keeping: Keeping) -> CommandFailed:
    unread = [printable(known.name) for known in keeping.knowns if known.secret is None]
    seen = f" Not to be read here: {', '.join(unread)}." if unread else ""
    return CommandFailed(
        f"No endpoint of Unipile's has a secret that is here for {keeping.name}, so there is "
        f"nothing to rotate.{seen} `relay unipile connect` registers one."
    )
