"""The ways of ``relay unipile rotate``: on, to the end, or back, from wherever it stands."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relay.commands.secrets.known import EndpointSettings
from relay.commands.store import opened
from relay.commands.unipile.hinting import IN_DOUBT, hinting
from relay.commands.unipile.reloading import Say, take_over
from relay.commands.unipile.rotate.begin import begin, clear, is_ready, switch_on
from relay.commands.unipile.rotate.retire import doubts, retire
from relay.commands.unipile.rotate.rotation import Rotation
from relay.commands.unipile.rotate.say_standing import stand
from relay.commands.unipile.rotate.standing import Half, Standing
from relay.contract.display import time_text
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable

if TYPE_CHECKING:
    from relay.commands.unipile.opening import Opening

Did = Literal["begun", "standing", "finished", "taken_back", "cleared", "nothing"]

# Gateways write within two seconds what has proved a delivery, and a retry may be under way.
GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done.

    Args:
        name: Of the endpoint here.
        environ: Environment variables.
        settings: Where the store is.
        redis_url: What ``--redis-url`` said, if anything.
        overlap_seconds: For how long both are to sign before it is finished; none for no finish.
        finish: Delete the first.
        back: Delete the second.
        yes: Also where there are doubts.
        reload_seconds: How long gateways may take.
        retry_seconds: For how long Unipile may try again what it has signed.
        out: Takes a line.
    """

    name: str
    environ: dict[str, str]
    settings: EndpointSettings
    redis_url: str | None
    overlap_seconds: float | None
    finish: bool
    back: bool
    yes: bool
    reload_seconds: float
    retry_seconds: int
    out: Say


@dataclass(frozen=True, slots=True)
class Done:
    """What has come of it.

    Args:
        did: In a word, for programs.
        says: In sentences.
    """

    did: Did
    says: list[str]


async def go(task: Task, unipile: "Opening") -> Done:
    """Go on with a rotation, or begin one.

    Args:
        task: What is to be done.
        unipile: Opens Unipile's interface.

    Raises:
        CommandFailed: It cannot go on so; what is there works as before.
        UnipileFailed: Unipile did not do what was asked; running it again goes on.
    """
    async with opened(task.settings) as store, unipile as api:
        await store.redis.ping()  # before anything is done elsewhere
        rotation = Rotation(
            name=task.name,
            api=api,
            store=store,
            environ=task.environ,
            redis_url=task.redis_url,
            reload_seconds=task.reload_seconds,
            retry_seconds=task.retry_seconds,
            out=task.out,
        )
        return Done(await _go(rotation, task), rotation.says)


async def _go(rotation: Rotation, task: Task) -> Did:
    standing = await rotation.standing()
    if task.finish or task.back:
        if standing.second is None:
            return await _without_second(rotation, standing, is_back=task.back)
        leaving, staying = standing.both if task.finish else reversed(standing.both)
        await _end(rotation, task, leaving, staying)
        return "finished" if task.finish else "taken_back"
    did: Did = "standing"
    if standing.second is None:
        await begin(rotation, standing)
        did, standing = "begun", await rotation.standing()
    if not is_ready(standing):
        await switch_on(rotation, standing)
        did, standing = "begun", await rotation.standing()
    if task.overlap_seconds is None:
        await stand(rotation, standing)
        return did
    rotation.say(f"Both sign for {task.overlap_seconds:g} seconds from now on.")
    await asyncio.sleep(task.overlap_seconds)
    first, second = (await rotation.standing()).both
    await _end(rotation, task, first, second, grace_seconds=GRACE_SECONDS)
    return "finished"


async def _end(
    rotation: Rotation, task: Task, leaving: Half, staying: Half, *, grace_seconds: float = 0.0
) -> None:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + grace_seconds
    while found := await doubts(rotation, leaving, staying):
        if task.yes:
            break
        if loop.time() >= ends_at:
            raise CommandFailed(
                "\n".join([*found, "Nothing was deleted, and both sign on; --yes does it."])
            )
        await asyncio.sleep(LOOK_SECONDS)
    await retire(rotation, leaving, staying)


async def _without_second(rotation: Rotation, standing: Standing, *, is_back: bool) -> Did:
    """End what has no second endpoint here: what was left over, or has ended by itself."""
    left = standing.left_over
    if left is not None:
        name = printable(left.id, 80)
        if not is_back:
            raise CommandFailed(
                f"The second endpoint, {name}, was made, and its secret is not here yet: "
                f"{rotation.command()} goes on with it."
            )
        with hinting(IN_DOUBT):
            await rotation.api.delete_endpoint(left.id)
        rotation.say(f"{name} was deleted at Unipile; its secret never was here.")
        return "taken_back"
    # Of a finish that could not delete the first, before the second was deleted otherwise.
    has_end = standing.first.has_end
    if has_end:
        standing.keeping.lift_end(standing.first.number)
        rotation.say(
            f"{printable(standing.first.known.name)} has no end any more: {standing.first.name} "
            "signs alone."
        )
    if clear(rotation, standing) or has_end:
        await take_over(rotation.store, rotation.reload_seconds, rotation.say)
        return "taken_back" if has_end else "cleared"
    ends = [
        (printable(known.name), end)
        for known in standing.keeping.knowns
        if (end := known.reference.not_after_ms) is not None
    ]
    for name, end in ends:
        rotation.say(f"{name} still counts until {time_text(end)}.")
    rotation.say(f"No rotation is under way: {standing.first.name} signs alone.")
    return "nothing"
