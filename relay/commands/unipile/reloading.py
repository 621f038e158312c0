"""Has the gateways take over what was written, and finds out whether they have.

Those of `relay serve` and `relay dev` say so at once. That they have a secret is known by its
endpoint's book, in which each of their processes says at its start and once a minute what it holds:
one may read a configuration of its own. A program that embeds the relay reads its configuration at
its start only, and says no more than that.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from relay.commands.reload import lines_of, reload_all
from relay.commands.secrets.known import Known, read_book
from relay.commands.secrets.words import loaded
from relay.commands.store import Store
from relay.contract.explain import CommandFailed
from relay.usage import Held

Say = Callable[[str], None]
ReloadSeconds = Annotated[
    float, typer.Option(min=1, help="How many seconds gateways may take to reload.")
]

LOOK_SECONDS = 1.0
# Their processes write the book as soon as they have begun, and every two seconds after that.
HOLD_SECONDS = 10.0
START_AGAIN = (
    "No gateway has answered: start one now (`relay serve` or `relay dev`), on this store. Where a "
    "program embeds the relay, start it again: it reads its configuration at its start only."
)
OTHER_FILE = (
    "Not every gateway has the secret now, and one without it refuses what is signed with it: it "
    "reads another relay.toml than this one, on another machine or in another directory. Name the "
    "secret there too, and run this command again: it goes on from here."
)
NOT_SAID = (
    "No gateway has said which secrets it has, which each does as soon as it has begun: it reads a "
    "relay.toml without this endpoint, or its log says what is wrong. Then run this command again: "
    "it goes on from here."
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


async def take_secret_over(
    store: Store, endpoint: str, fingerprint: str, wait_seconds: float, say: Say
) -> bool:
    """Have every gateway read its configuration, and see that each holds a secret then.

    Args:
        store: Of the gateways.
        endpoint: The endpoint's name.
        fingerprint: Of the secret.
        wait_seconds: How long they may take until all is done.
        say: Takes a line.

    Returns:
        Whether any has answered; what those hold that have not is another question.

    Raises:
        CommandFailed: One has not taken it over, or does not hold the secret.
    """
    # A process that is being replaced may say what it had, once a minute: not twice in a row.
    for _ in range(2):
        before = (await read_book(store, endpoint)).held
        if not await take_over(store, wait_seconds, say):
            return False
        news = await _news(store, endpoint, before, min(wait_seconds, HOLD_SECONDS))
        if not news:
            raise CommandFailed(NOT_SAID)
        if all(fingerprint in each.fingerprints for each in news):
            return True
    raise CommandFailed(OTHER_FILE)


async def _news(
    store: Store, endpoint: str, before: Sequence[Held], wait_seconds: float
) -> list[Held]:
    """Wait until gateways have said what they hold since the book was read before."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wait_seconds
    while True:
        held = (await read_book(store, endpoint)).held
        news = [each for each in held if each not in before]
        if news or loop.time() >= ends_at:
            return news
        await asyncio.sleep(LOOK_SECONDS)


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
