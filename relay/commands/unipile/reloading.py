"""Has the gateways take over what was written, and finds out whether they have.

Those of `relay serve` and `relay dev` say so at once. A program that embeds the relay reads its
configuration at its start only; that it has a secret is known by its endpoint's book, in which each
gateway says once a minute what it holds.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

import typer

from relay.commands.reload import lines_of, reload_all
from relay.commands.secrets.known import Known, read_book
from relay.commands.secrets.words import loaded
from relay.commands.store import Store
from relay.contract.explain import CommandFailed

Say = Callable[[str], None]
ReloadSeconds = Annotated[
    float, typer.Option(min=1, help="How many seconds gateways may take to reload.")
]

LOOK_SECONDS = 1.0
START_AGAIN = (
    "No gateway has answered: start one now (`relay serve` or `relay dev`), on this store. Where a "
    "program embeds the relay, start it again: it reads its configuration at its start only."
)


async def take_over(store: Store, wait_seconds: float, say: Say) -> bool:
    """Have every gateway read its configuration, and say what each says.

    Args:
        store: Of the gateways.
        wait_seconds: How long they may take until all is done.
        say: Takes a line.

    Returns:
        Whether all have taken it over; not so only where none has answered.

    Raises:
        CommandFailed: One has refused it, or has not done it in time.
    """
    answers = await reload_all(store.settings, wait_seconds)
    for line in lines_of(answers):
        say(line)
    if any(answer.outcome != "taken_over" for answer in answers):
        raise CommandFailed(
            "Not every gateway has taken the configuration over. Mend what it says, and run this "
            "command again: it goes on from here."
        )
    return bool(answers)


async def is_held(store: Store, endpoint: str, known: Known, wait_seconds: float) -> bool:
    """Wait until all gateways hold a secret, as the endpoint's book says.

    Args:
        store: Of the gateways.
        endpoint: The endpoint's name.
        known: The secret.
        wait_seconds: How long it is waited for.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wait_seconds
    while True:
        usage = await read_book(store, endpoint)
        if loaded(known, usage, time.time_ns() // 1_000_000) == "all":
            return True
        if loop.time() >= ends_at:
            return False
        await asyncio.sleep(LOOK_SECONDS)
