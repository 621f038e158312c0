"""``relay secrets accept``: makes a secret that waits its endpoint's own."""

from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import RedisUrl
from relay.commands.secrets.known import EndpointSettings, endpoint_settings
from relay.commands.secrets.waiting import EndpointName, Fingerprint, matching, remove, waiting
from relay.contract.display import tell
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.handshake.pending import PendingSecret
from relay.handshake.secret_file import OtherSecret, put_secret

ACTIVE = (
    "It counts within seconds where `relay serve` reads this file. `relay dev`, or a program that "
    "embeds the relay, is to be started again."
)


def accept(
    endpoint: EndpointName,
    fingerprint: Fingerprint = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite another secret that the file holds.")
    ] = False,
    redis_url: RedisUrl = None,
) -> None:
    """Make a secret the endpoint's own: write it to its file, for its owner only.

    The file is the first of the endpoint's `secrets = [{ file = … }]` that holds nothing yet. Run
    it as the user that the gateway runs as.
    """
    settings = endpoint_settings(redis_url)
    paths = _files_of(settings, endpoint)
    chosen = _one_of(run(waiting(settings)), endpoint, fingerprint)
    try:
        written = put_secret(chosen.secret, paths, replace=replace)
    except OtherSecret as other:
        raise CommandFailed(
            f"{other} holds another secret. Add a second file to the endpoint's secrets, so that "
            "both count for a while, or say --replace."
        ) from None
    # The file first: a secret is in the book until it is on the disk.
    run(remove(settings, [chosen]))
    if written is None:
        tell(f"The secret {chosen.fingerprint} is in a file of {endpoint} already.")
    else:
        tell(f"Wrote the secret {chosen.fingerprint} of {endpoint} to {written}.")
        tell(ACTIVE)


def _files_of(settings: EndpointSettings, endpoint: str) -> list[Path]:
    section = settings.endpoints.get(endpoint)
    if section is None:
        raise CommandFailed(
            f"No endpoint is called {printable(endpoint, 80)}.", exit_code=WRONG_USAGE
        )
    paths = [reference.file for reference in section.secrets if reference.file is not None]
    if not paths:
        raise CommandFailed(
            f"The endpoint {endpoint} reads no secret from a file. Give it one, such as "
            f'secrets = [{{ file = "/etc/relay/{endpoint}.secret" }}]; it need not exist yet.',
            exit_code=WRONG_USAGE,
        )
    return paths


def _one_of(found: list[PendingSecret], endpoint: str, fingerprint: str | None) -> PendingSecret:
    fitting = matching(found, endpoint, fingerprint)
    if len(fitting) > 1:
        raise CommandFailed(
            f"{len(fitting)} secrets of {endpoint} wait. Say which, by its fingerprint: "
            "`relay secrets pending` shows when each came.",
            exit_code=WRONG_USAGE,
        )
    return fitting[0]
