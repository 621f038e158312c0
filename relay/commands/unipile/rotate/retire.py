"""Ends a rotation: one endpoint is deleted at Unipile, and its secret ends by itself.

First its secret is given an end in ``relay.toml``, as far away as Unipile may still try what it has
signed; then all gateways take that over, which shows that they have the other secret too; only then
the endpoint is deleted. Killed in between, both endpoints deliver on, and the end that stands in
the file says what was meant. No secret is taken out while something may come that it signed.
"""

from datetime import UTC, datetime, timedelta

from relay.commands.secrets.change import end_some, take_out, write
from relay.commands.secrets.words import HELD_MS, loaded
from relay.commands.unipile.reloading import START_AGAIN, take_over
from relay.commands.unipile.rotate.rotation import Rotation, is_lacking, now_ms
from relay.commands.unipile.rotate.standing import Half, covers, is_narrow
from relay.commands.unipile.rotate.undelivered import undelivered
from relay.commands.unipile.secret_here import Keeping
from relay.contract.display import time_text
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.unipile import NotThere, UnipileFailed

# Where nothing is tried again, what is under way is still taken.
SHORTEST_END_SECONDS = 60
SHOWN_EVENTS = 3


async def retire(rotation: Rotation, leaving: Half, staying: Half) -> None:
    """Delete one endpoint of two, and have its secret end.

    Args:
        rotation: What is rotated.
        leaving: The one that goes.
        staying: The one that delivers on.

    Raises:
        CommandFailed: Not every gateway has the other secret, so nothing was deleted.
        UnipileFailed: It was not deleted.
    """
    until = _give_end(rotation, leaving, staying)
    if not await take_over(rotation.store, rotation.reload_seconds, rotation.say):
        if staying.has_end:
            raise CommandFailed(
                f"{START_AGAIN} Until then {staying.name} may be refused, so {leaving.name} was "
                "not deleted. Run this command again after that."
            )
        rotation.say(
            "No gateway has answered: those that run go on with both secrets, and know of the end "
            "once they were started again."
        )
    ends = time_text(int(1000 * until.timestamp()))
    try:
        await rotation.api.delete_endpoint(leaving.endpoint.id)
    except NotThere:
        rotation.say(f"{leaving.name} was deleted already.")
    except UnipileFailed as failure:
        other = "--back" if staying.number < leaving.number else "--finish"
        raise CommandFailed(
            f"{failure} Unless it was deleted all the same, its secret counts until {ends} only: "
            f"run this again before that, or {rotation.command(other)}."
        ) from None
    else:
        rotation.say(f"{leaving.name} was deleted at Unipile; {staying.name} delivers on.")
    if rotation.retry_seconds == 0:
        await _take_out(rotation, leaving)
        return
    rotation.say(
        f"Its secret ({printable(leaving.known.name)}) counts until {ends}, for what it has signed "
        f"and is tried again, and then no more; {rotation.command('--finish')} takes it out of "
        "relay.toml after that."
    )


async def doubts(rotation: Rotation, leaving: Half, staying: Half) -> list[str]:
    """Say why one of two endpoints should not be deleted yet; nothing where it may.

    Raises:
        CommandFailed: The other one does not deliver the same, so it must not.
        UnipileFailed: Unipile could not be asked.
    """
    _judge_staying(leaving, staying)
    usage = await rotation.usage()
    found = []
    is_back = staying.number > leaving.number
    if not is_back and usage.proved_by(staying.known.fingerprint) is None:
        found.append(f"{staying.name} has not proved a delivery yet.")
    if loaded(staying.known, usage, now_ms()) == "none":
        found.append(f"No gateway has said that it has the secret of {staying.name}.")
    if is_lacking(staying.known, usage, now_ms()):
        found.append(lacking(staying))
    left = await undelivered(
        rotation.api, leaving.endpoint.id, staying.endpoint.id, rotation.retry_seconds
    )
    if left:
        shown = ", ".join(printable(each, 80) for each in left[:SHOWN_EVENTS])
        found.append(
            f"{len(left)} events have not got through from {leaving.name} yet, and {staying.name} "
            f"has not delivered them either ({shown}{', …' if len(left) > SHOWN_EVENTS else ''}): "
            "Unipile tries no more once it is deleted."
        )
    return found


def lacking(half: Half) -> str:
    """Say that some gateway has not the secret of an endpoint."""
    return (
        f"A gateway has said within the last {HELD_MS // 1000} seconds that it does not have the "
        f"secret of {half.name}, so what reaches that one is refused: it reads a relay.toml of its "
        "own, or was not reloaded. Mend that, and look again after as long."
    )


def _judge_staying(leaving: Half, staying: Half) -> None:
    if not staying.endpoint.enabled:
        raise CommandFailed(
            f"{staying.name} is switched off, so {leaving.name} is not deleted: nothing would be "
            f"delivered any more. `relay unipile endpoints enable {staying.name}` switches it on."
        )
    # As it was made it may have a type that the first has not, and nobody has asked for.
    is_as_made = staying.number > leaving.number and is_narrow(leaving.endpoint, staying.endpoint)
    if not is_as_made and not covers(staying.endpoint, leaving.endpoint):
        raise CommandFailed(
            f"{staying.name} has not all types of event and accounts that {leaving.name} has, so "
            "that one is not deleted: `relay unipile endpoints show` and `update`."
        )


def _give_end(rotation: Rotation, leaving: Half, staying: Half) -> datetime:
    """Write the end of one secret into the file, and that the other one has none."""
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(seconds=max(rotation.retry_seconds, SHORTEST_END_SECONDS))
    keeping = rotation.keeping()
    numbers = _number(keeping, leaving), _number(keeping, staying)
    if keeping.place is not None:
        if staying.has_end:
            keeping.lift_end(numbers[1])
        place = rotation.keeping().place or keeping.place
        write(place, lambda place: end_some(place, [numbers[0]], until))
    return until


async def _take_out(rotation: Rotation, leaving: Half) -> None:
    keeping = rotation.keeping()
    number = _number(keeping, leaving)
    if keeping.place is not None:
        write(keeping.place, lambda place: take_out(place, [number]))
    rotation.say(f"{printable(leaving.known.name)} is out of relay.toml.")
    await take_over(rotation.store, rotation.reload_seconds, rotation.say)


def _number(keeping: Keeping, half: Half) -> int:
    number = keeping.number(half.endpoint.secret)
    if number is None:
        raise CommandFailed("relay.toml was changed while this command ran. Run it again.")
    return number
