"""``relay unipile stand-in``: a stand-in Unipile on this machine, for tests and for trying."""

import asyncio
import math
import os
import random
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.unipile.opening import KEY_VARIABLE, URL_VARIABLE
from relay.contract.display import tell
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.contract.signals import hear, replace_handler

if TYPE_CHECKING:
    from relay.unipile.stand_in import StandIn

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# One of each kind of account, and then more of them.
MADE_UP = (
    ("whatsapp", "+49 30 5550 0100"),
    ("linkedin", "Grace Example"),
    ("google", "owner@example.com"),
    ("outlook", "office@example.org"),
    ("telegram", "Ada Example"),
)


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("stand-in")(stand_in)


def stand_in(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where it listens, on 127.0.0.1; 0: a free one.")
    ] = 8090,
    accounts: Annotated[
        int, typer.Option(min=0, max=10_000, help="How many accounts are linked.")
    ] = 3,
    every: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="SECONDS", help="How often an event happens. [never]"),
    ] = None,
    retry: Annotated[
        list[float] | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="The pause before a retry; once for each retry. [0.5, 1 and 2]",
        ),
    ] = None,
) -> None:
    """Stand in for Unipile: its API of webhooks, and signed deliveries with retries.

    It is for tests and for trying: nothing of it comes from Unipile, and all is gone when it ends,
    by Ctrl-C or SIGTERM, with 0. Its key is what UNIPILE_API_KEY says, else stand-in.
    """
    # Only this command listens and posts; importing what does would double the time of the others.
    from relay.unipile.stand_in import StandIn  # noqa: PLC0415
    from relay.unipile.stand_in.rules import DEFAULT_KEY, RETRY_SECONDS  # noqa: PLC0415

    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key.isprintable():
        raise CommandFailed(f"{KEY_VARIABLE} is no API key.", exit_code=WRONG_USAGE)
    if not all(map(math.isfinite, [*(retry or ()), every or 0.0])):
        raise CommandFailed("--every and --retry are numbers of seconds.", exit_code=WRONG_USAGE)
    unipile = StandIn(
        key or DEFAULT_KEY,
        port=port,
        retry_seconds=RETRY_SECONDS if retry is None else retry,
        say=tell,
    )
    for number in range(accounts):
        provider, name = MADE_UP[number % len(MADE_UP)]
        unipile.add_account(f"acc_standin{number + 1:016d}", provider=provider, name=name)
    run(_serve(unipile, every, is_own_key=bool(key)))


async def _serve(unipile: "StandIn", every: float | None, *, is_own_key: bool) -> None:
    """Listen until a signal comes."""
    ended = asyncio.Event()
    for number in SIGNALS:
        hear(number, ended.set)
    async with unipile:
        _say_how(unipile, is_own_key=is_own_key)
        if every is None:
            await ended.wait()
        else:
            await _emit(unipile, every, ended)
    for number in SIGNALS:  # all has ended: saying it again must not look like a failure
        replace_handler(number, signal.SIG_IGN)


def _say_how(unipile: "StandIn", *, is_own_key: bool) -> None:
    key = f"the {KEY_VARIABLE} of this shell" if is_own_key else f"{KEY_VARIABLE}={unipile.api_key}"
    tell(f"Listening on {unipile.url}; other commands reach it with")
    tell(f"  {URL_VARIABLE}={unipile.url}")
    tell(f"  {key}")
    for account in unipile.accounts.values():
        tell(f"account {account.id}: {account.provider}, {account.name}")


async def _emit(unipile: "StandIn", every: float, ended: asyncio.Event) -> None:
    """Have something happen again and again, of any known type, to any account."""
    from relay.unipile.stand_in import KNOWN_TYPES  # noqa: PLC0415

    types, accounts = sorted(KNOWN_TYPES), sorted(unipile.accounts) or ["acc_standin"]
    while not ended.is_set():
        await unipile.emit(random.choice(types), random.choice(accounts))  # noqa: S311 - no secret
        try:
            async with asyncio.timeout(every):
                await ended.wait()
        except TimeoutError:
            continue
