"""Secrets that came by handshakes and wait: what the commands for them share."""

from typing import Annotated

import typer

from relay.commands.secrets.known import EndpointSettings
from relay.commands.store import opened
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.handshake.pending import PendingSecret, PendingSecrets

EndpointName = Annotated[str, typer.Argument(metavar="ENDPOINT", help="For which it came.")]
Fingerprint = Annotated[
    str | None,
    typer.Argument(
        metavar="[FINGERPRINT]",
        help="Which, if several wait; its beginning is enough.",
        show_default=False,
    ),
]


def matching(
    found: list[PendingSecret], endpoint: str, fingerprint: str | None
) -> list[PendingSecret]:
    """Give those of an endpoint, or the one that is meant.

    Raises:
        CommandFailed: There is none.
    """
    fitting = [
        each
        for each in found
        if each.endpoint == endpoint and each.fingerprint.startswith(fingerprint or "")
    ]
    if not fitting:
        raise CommandFailed(f"No such secret of {printable(endpoint, 80)} waits.")
    return fitting


async def waiting(settings: EndpointSettings) -> list[PendingSecret]:
    """Give all that wait."""
    async with opened(settings) as store:
        return await PendingSecrets(store.redis, store.keys).waiting()


async def remove(settings: EndpointSettings, found: list[PendingSecret]) -> None:
    """Forget some."""
    async with opened(settings) as store:
        book = PendingSecrets(store.redis, store.keys)
        for each in found:
            await book.remove(each)
