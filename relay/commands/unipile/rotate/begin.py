"""Begins a rotation: makes the second endpoint, and has it sign once its secret counts here.

Each step leaves something that the next run goes on from. The second endpoint is made for one type
of event that hardly ever happens; as soon as its secret is kept it gets all types, and is switched
off in the same call; and it is switched on as the last thing. So nothing that it signs is refused,
and whatever happens in between is delivered by the first one.
"""

from collections.abc import Callable

from relay.commands.edit import Draft
from relay.commands.secrets.change import take_out, write
from relay.commands.secrets.keep import Kept
from relay.commands.unipile.hinting import IN_DOUBT, hinting
from relay.commands.unipile.registering.creating import create_kept
from relay.commands.unipile.reloading import START_AGAIN, is_held, take_secret_over
from relay.commands.unipile.rotate.rotation import Rotation, now_ms
from relay.commands.unipile.rotate.standing import Half, Standing, is_narrow, seldom
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.endpoint import Secret
from relay.unipile import UnipileEndpoint


async def begin(rotation: Rotation, standing: Standing) -> None:
    """Make the second endpoint, and keep its secret.

    Args:
        rotation: What is rotated.
        standing: No second endpoint has a secret here.

    Raises:
        CommandFailed: The secret was not kept; an endpoint that was made for it is deleted again.
        UnipileFailed: Unipile did not do what was asked.
    """
    first, made = standing.first.endpoint, standing.left_over
    if not first.enabled or not first.events:
        raise CommandFailed(
            f"{standing.first.name} is switched off at Unipile, or has no type of event, so "
            "nothing is delivered that a rotation could keep up: `relay unipile connect` mends it."
        )
    clear(rotation, standing)
    keep = _keeper(rotation, standing)
    if made is None:
        verb = "made"
        # For one seldom type only.
        events = [seldom(first.events)]
        with hinting(IN_DOUBT, events, first):
            made, (kept, draft) = await create_kept(rotation.api, _fields(first, events), keep)
    else:
        verb = "taken over, which a command that was killed has left"
        kept, draft = keep(made.secret)
    rotation.say(
        f"A second endpoint was {verb}: {printable(made.id, 80)}, like {standing.first.name}."
    )
    rotation.say(f"Its secret is in {printable(kept.path)}, and first in {printable(draft.path)}.")
    if kept.advice:
        rotation.say(kept.advice)


async def switch_on(rotation: Rotation, standing: Standing) -> None:
    """Have the second endpoint sign, once all gateways have its secret.

    Args:
        rotation: What is rotated.
        standing: With a second endpoint that is not ready.

    Raises:
        CommandFailed: Not every gateway has it.
        UnipileFailed: Unipile did not do what was asked.
    """
    first, second = standing.both
    if not second.endpoint.enabled:
        rotation.say(
            f"{second.name} is switched off, by a command that was ended or by hand. It is to be "
            f"switched on; {rotation.command('--back')} deletes it instead."
        )
    whole = {
        "trigger_events": list(first.endpoint.events),
        "account_ids": list(first.endpoint.accounts),
    }
    with hinting(IN_DOUBT, whole["trigger_events"], first.endpoint):
        await rotation.api.update_endpoint(second.endpoint.id, {**whole, "enabled": False})
    fingerprint = Secret(second.endpoint.secret, "Unipile").fingerprint
    if not await take_secret_over(
        rotation.store, rotation.name, fingerprint, rotation.reload_seconds, rotation.say
    ):
        rotation.say(START_AGAIN)
        await _wait_for(rotation, second)
    with hinting(IN_DOUBT, whole["trigger_events"], first.endpoint):
        await rotation.api.update_endpoint(second.endpoint.id, {**whole, "enabled": True})
    rotation.say(
        f"{second.name} signs from now on, and {first.name} still does: each event comes twice, "
        "and is stored once."
    )


def is_ready(standing: Standing) -> bool:
    """Tell whether the second endpoint is whole, and switched on."""
    first, second = standing.both
    return second.endpoint.enabled and not is_narrow(second.endpoint, first.endpoint)


def clear(rotation: Rotation, standing: Standing) -> list[str]:
    """Take secrets out of ``relay.toml`` whose end is over; gateways pass them over already.

    Args:
        rotation: What is rotated.
        standing: With one endpoint; its secret stays, which alone says that it is ours.

    Returns:
        Their names.
    """
    keeping, at_ms = rotation.keeping(), now_ms()
    over = [
        number
        for number, known in enumerate(keeping.knowns)
        if (end := known.reference.not_after_ms) is not None
        and end < at_ms
        and known.fingerprint != standing.first.known.fingerprint
    ]
    if not over or keeping.place is None:
        return []
    write(keeping.place, lambda place: take_out(place, over))
    names = [printable(keeping.knowns[number].name) for number in over]
    rotation.say(f"Out of relay.toml, since it counts no more: {', '.join(names)}.")
    return names


def _keeper(rotation: Rotation, standing: Standing) -> Callable[[str], tuple[Kept, Draft]]:
    """Have a new secret kept, and not the old one once more."""
    keeping, first = rotation.keeping(), standing.first

    def keep(text: str) -> tuple[Kept, Draft]:
        if text == first.endpoint.secret:
            raise CommandFailed(
                f"Unipile has given the second endpoint the secret that {first.name} has, so "
                "nothing would be replaced."
            )
        return keeping.keep(text)

    return keep


async def _wait_for(rotation: Rotation, second: Half) -> None:
    if await is_held(rotation.store, rotation.name, second.known, rotation.reload_seconds):
        return
    raise CommandFailed(
        f"No gateway has said within {rotation.reload_seconds:g} seconds that it has the new "
        f"secret, so {second.name} stays switched off; {rotation.command()} goes on from here. A "
        "gateway says it at its start, and one that has ended counts for 75 seconds more."
    )


def _fields(first: UnipileEndpoint, events: list[str]) -> dict[str, object]:
    """Give what the second one is made of: like the first, but for its types."""
    fields: dict[str, object] = {"url": first.url, "trigger_events": events}
    if first.accounts:
        fields["account_ids"] = list(first.accounts)
    if first.description:
        fields["description"] = first.description
    return fields
