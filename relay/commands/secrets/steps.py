"""The steps of a rotation: each changes one thing, and says what is to be done next.

A file is written before it is named, and a secret is taken out before anything else: whoever is
killed in between runs the command again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from relay.commands.edit import Draft
from relay.commands.secrets.change import (
    Place,
    end_at,
    find_place,
    judge,
    leave_old,
    put_first,
    take_out,
    write,
)
from relay.commands.secrets.doubts import against_finishing
from relay.commands.secrets.keep import keep_secret
from relay.commands.secrets.known import Known
from relay.commands.secrets.words import loaded, say_loaded, say_often
from relay.contract.display import time_text
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.endpoint import Secret
from relay.endpoints import EndpointSection
from relay.usage import EndpointUsage

NEW_FILE = (
    "That file is new: it counts for gateways that were started in this directory, or with "
    "RELAY_CONFIG naming it."
)


@dataclass(frozen=True, slots=True)
class Rotation:
    """An endpoint whose secret is being replaced.

    Args:
        endpoint: Its name.
        section: Its table.
        knowns: Its secrets, the newest first.
        environ: Environment variables.
    """

    endpoint: str
    section: EndpointSection
    knowns: Sequence[Known]
    environ: dict[str, str]

    def place(self) -> Place:
        """Find where its secrets are written down."""
        return find_place(self.endpoint, self.environ, len(self.knowns))

    def command(self, option: str = "") -> str:
        """Give the command that goes on with it."""
        return f"`{f'relay secrets rotate {self.endpoint} {option}'.rstrip()}`"


@dataclass(frozen=True, slots=True)
class Said:
    """What was done.

    Args:
        did: In a word, for programs.
        says: In sentences.
    """

    did: str
    says: list[str]


def begin(rotation: Rotation, take: Callable[[], Secret]) -> Said:
    """Have a new secret count beside the old one.

    Args:
        rotation: The endpoint has one secret, or none.
        take: Gives the new one.
    """
    place = rotation.place()
    # Before anything is asked for or written: where no edit would do, none is begun.
    judge(place, put_first(place, place.directory / "new.secret"))
    secret = take()
    kept = keep_secret(rotation.endpoint, secret, rotation.knowns, place.directory)
    try:
        draft = write(place, partial(put_first, path=kept.path))
    except CommandFailed as fault:
        raise CommandFailed(
            f"The new secret is in {printable(kept.path)}.\n{fault}", exit_code=fault.exit_code
        ) from None
    kind = rotation.section.kind
    written = f"The new secret {secret.fingerprint} is in {printable(kept.path)}"
    says = [f"{written}, for its owner only, and stands first in {printable(draft.path)}."]
    says += [kept.advice] if kept.advice else []
    says += [NEW_FILE] if place.draft.found is None else []
    return Said(
        "begun",
        [
            *says,
            "1. `relay reload` has the gateways take both.",
            f"2. Then have {kind.title} sign with the new one ({kind.secret}).",
            f"3. {rotation.command()} says who uses which.",
        ],
    )


def stand(rotation: Rotation, usage: EndpointUsage, *, now_ms: int, retry_ms: int) -> Said:
    """Say where a rotation stands, and what is to be done next."""
    new, *old = rotation.knowns
    says = [f"The new one ({printable(new.name)}) was {say_often(new.used(usage), now_ms)}."]
    says += [
        f"The old one ({printable(known.name)}) was {say_often(known.used(usage), now_ms)}."
        for known in old
    ]
    says += [
        f"{printable(known.name)} cannot be read here ({printable(known.fault)}), so it is counted "
        "by its name alone."
        for known in rotation.knowns
        if known.secret is None
    ]
    says.append(say_loaded(new, usage, now_ms))
    doubts = against_finishing(rotation.knowns, usage, now_ms=now_ms, retry_ms=retry_ms)
    if not doubts:
        return Said("standing", [*says, f"Next: {rotation.command('--finish')}."])
    kind = rotation.section.kind
    if loaded(new, usage, now_ms) == "none":
        step = "`relay reload`, and look again"
    elif new.used(usage) is None:
        step = f"have {kind.title} sign with the new one ({kind.secret}), and look again"
    else:
        step = f"wait, and then {rotation.command('--finish')}"
    return Said(
        "standing", [*says, f"Next: {step}. {rotation.command('--back')} takes the new one out."]
    )


def finish_now(rotation: Rotation) -> Said:
    """Have the new secret alone count."""
    old = rotation.knowns[1:]
    draft = write(rotation.place(), lambda place: take_out(place, range(1, len(rotation.knowns))))
    return Said("finished", [*_taken(draft, old), f"{printable(rotation.knowns[0].name)} is left."])


def go_back(rotation: Rotation, *, now_ms: int) -> Said:
    """Have the old secrets alone count, and go on counting: their end was for the new one's sake.

    What is over stays over: somebody may have wanted that.
    """
    ending = {
        number: known
        for number, known in enumerate(rotation.knowns)
        if number and known.reference.not_after_ms is not None and known.counts_at(now_ms)
    }
    draft = write(rotation.place(), partial(leave_old, unended=list(ending)))
    says = [f"{printable(known.name)} has no end any more." for known in ending.values()]
    return Said("taken_back", [*says, *_taken(draft, rotation.knowns[:1])])


def end_by_itself(rotation: Rotation, until: datetime) -> Said:
    """Have the old secrets count until a time only."""
    draft = write(rotation.place(), partial(end_at, until=until))
    names = ", ".join(printable(known.name) for known in rotation.knowns[1:])
    at = time_text(int(1000 * until.timestamp()))
    return Said(
        "bounded",
        [
            f"{names} counts until {at}, as {printable(draft.path)} says now.",
            "`relay reload` has the gateways take that.",
            f"{rotation.command('--finish')} takes it out.",
        ],
    )


def _taken(draft: Draft, knowns: Sequence[Known]) -> list[str]:
    says = [f"{printable(known.name)} is out of {printable(draft.path)}." for known in knowns] + [
        "It counts until the gateways have been told: `relay reload`."
    ]
    files = [known.reference.file for known in knowns if known.reference.file is not None]
    variables = [
        known.name.removeprefix("env:") for known in knowns if known.reference.env is not None
    ]
    says += [f"The file {printable(path)} is still there: remove it after that." for path in files]
    says += [f"The variable {printable(name)} is needed no more." for name in variables]
    return says
