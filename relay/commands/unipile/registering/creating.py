"""Makes an endpoint at Unipile whose secret is kept, or none.

The secret is there only once Unipile has made it. Where it cannot be kept then, the endpoint is
deleted again; where that fails too, both is said with the command that mends it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from relay.commands.unipile.secret_here import NotKept
from relay.contract.explain import CommandFailed, explain
from relay.contract.printable import printable
from relay.unipile import NotThere, UnipileEndpoint, UnipileFailed

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

KeptT = TypeVar("KeptT")


async def create_kept(
    api: "UnipileApi",
    wanted: Mapping[str, object],
    keep: Callable[[str], KeptT],
    by_hand: str = "",
) -> tuple[UnipileEndpoint, KeptT]:
    """Create an endpoint and keep its secret.

    Args:
        api: Where.
        wanted: See `UnipileApi.create_endpoint`.
        keep: Takes the secret; what it raises takes the endpoint back.
        by_hand: What is to be done where only a person can write ``relay.toml``, as a sentence.

    Returns:
        The endpoint, and what was kept.

    Raises:
        UnipileFailed: It was not created; or, where `may_be_done`, nobody knows.
        CommandFailed: Its secret was not kept; the message says whether it is gone again.
    """
    made = await api.create_endpoint(wanted)
    try:
        return made, keep(made.secret)
    except Exception as fault:
        await _take_back(api, made, fault, by_hand)
        raise


async def _take_back(
    api: "UnipileApi", made: UnipileEndpoint, fault: Exception, by_hand: str
) -> None:
    """Delete an endpoint whose secret nobody has.

    Raises:
        CommandFailed: What was kept from being kept, and what has become of the endpoint; nothing
            is raised after a bug, which has to be seen itself.
    """
    said, shown = explain(fault), printable(made.id, 80)
    code = 1 if said is None else said.exit_code
    try:
        with suppress(NotThere):  # somebody else has deleted it
            await api.delete_endpoint(made.id)
    except UnipileFailed as second:
        why = type(fault).__name__ if said is None else said.message
        raise CommandFailed(
            f"{why} The endpoint {shown} was created at Unipile, and could not be deleted again: "
            f"{second} `relay unipile endpoints delete {shown}` deletes it.",
            exit_code=code,
        ) from None
    if said is None:
        return
    why, step = said.message, ""
    if isinstance(fault, NotKept):
        # Nothing is signed with it any more.
        with suppress(OSError):
            fault.path.unlink(missing_ok=True)
        why, step = fault.why, f" {by_hand}" if fault.by_hand and by_hand else ""
    raise CommandFailed(
        f"{why} The endpoint {shown} was deleted again at Unipile.{step}", exit_code=code
    ) from None
