"""Says where a rotation at Unipile stands, and what is to be done next."""

from relay.commands.secrets.words import loaded, say_loaded, say_often
from relay.commands.unipile.rotate.retire import lacking
from relay.commands.unipile.rotate.rotation import Rotation, is_lacking, now_ms
from relay.commands.unipile.rotate.standing import Half, Standing, covers


async def stand(rotation: Rotation, standing: Standing) -> None:
    """Say who signs with which secret and how often, and what is next.

    Args:
        rotation: What is rotated.
        standing: With both endpoints.
    """
    first, second = standing.both
    usage, at_ms = await rotation.usage(), now_ms()
    used = usage.proved_by(second.known.fingerprint)
    rotation.say(f"The second, {_words(second)}: its secret was {say_often(used, at_ms)}.")
    if loaded(second.known, usage, at_ms) == "none":
        rotation.say(say_loaded(second.known, usage, at_ms))
    if is_lacking(second.known, usage, at_ms):
        rotation.say(lacking(second))
    rotation.say(
        f"The first, {_words(first)}: its secret was "
        f"{say_often(usage.proved_by(first.known.fingerprint), at_ms)}."
    )
    back = f"{rotation.command('--back')} goes back to the first."
    if not covers(second.endpoint, first.endpoint):
        rotation.say(
            "The second has not all types of event and accounts of the first, so the first cannot "
            f"go: `relay unipile endpoints update {second.name}`. {back}"
        )
    elif used is None:
        rotation.say(f"Next: wait until the second has proved a delivery, and look again. {back}")
    else:
        rotation.say(f"Next: {rotation.command('--finish')} deletes the first. {back}")


def _words(half: Half) -> str:
    state = "" if half.endpoint.enabled else ", switched off"
    ending = ", about to go" if half.has_end else ""
    return f"{half.name}{state}{ending}"
