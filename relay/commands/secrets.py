"""``relay secrets``: what came by handshakes and waits for an operator."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import StoreSettings, environment, opened
from relay.contract.config import Name
from relay.contract.display import show, tell, time_text
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.contract.surroundings import read_config_file
from relay.endpoints import EndpointSection
from relay.handshake.pending import PendingSecret, PendingSecrets
from relay.handshake.secret_file import OtherSecret, put_secret

COLUMNS = ("endpoint", "came", "fingerprint")
EMPTY = "No secret waits."
ACTIVE = (
    "It counts within seconds where `relay serve` reads this file. `relay dev`, or a program that "
    "embeds the relay, is to be started again."
)

EndpointName = Annotated[str, typer.Argument(metavar="ENDPOINT", help="For which it came.")]
Fingerprint = Annotated[
    str | None,
    typer.Argument(
        metavar="[FINGERPRINT]",
        help="Which, if several wait; its beginning is enough.",
        show_default=False,
    ),
]


class _Settings(StoreSettings):
    """Where the store is, and which endpoints there are; their secrets are not read."""

    endpoints: dict[Name, EndpointSection] = Field(default_factory=dict)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Look at the secrets that senders have sent to set up an endpoint, and accept them.",
    )
    group.command("pending")(pending)
    group.command("accept")(accept)
    group.command("drop")(drop)
    app.add_typer(group, name="secrets")


def pending(
    reveal: Annotated[
        bool, typer.Option("--show", help="Show the secrets too: some senders want them back.")
    ] = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the secrets that wait: endpoint, time at which they came, fingerprint.

    Anyone can send one, so look whether endpoint and time are those of your set-up. A fingerprint
    is the beginning of the secret's SHA-256. What nobody accepts within a day is forgotten. With
    --json an array of objects with the keys endpoint, came (RFC 3339), fingerprint and, with
    --show, secret.
    """
    found = run(_waiting(_settings(redis_url)))
    rows = [
        {"endpoint": each.endpoint, "came": time_text(each.came_at_ms)}
        | {"fingerprint": each.fingerprint}
        | ({"secret": each.secret} if reveal else {})
        for each in found
    ]
    show(rows, (*COLUMNS, "secret") if reveal else COLUMNS, as_json=as_json, empty=EMPTY)


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
    settings = _settings(redis_url)
    paths = _files_of(settings, endpoint)
    chosen = _one_of(run(_waiting(settings)), endpoint, fingerprint)
    try:
        written = put_secret(chosen.secret, paths, replace=replace)
    except OtherSecret as other:
        raise CommandFailed(
            f"{other} holds another secret. Add a second file to the endpoint's secrets, so that "
            "both count for a while, or say --replace."
        ) from None
    # The file first: a secret is in the book until it is on the disk.
    run(_remove(settings, [chosen]))
    if written is None:
        tell(f"The secret {chosen.fingerprint} is in a file of {endpoint} already.")
    else:
        tell(f"Wrote the secret {chosen.fingerprint} of {endpoint} to {written}.")
        tell(ACTIVE)


def drop(
    endpoint: EndpointName, fingerprint: Fingerprint = None, redis_url: RedisUrl = None
) -> None:
    """Forget secrets that wait: all of an endpoint, or one."""
    settings = _settings(redis_url)
    found = _matching(run(_waiting(settings)), endpoint, fingerprint)
    run(_remove(settings, found))
    tell(f"Dropped {len(found)} of {endpoint}.")


def _settings(redis_url: str | None) -> _Settings:
    environ = environment()
    options = {} if redis_url is None else {"redis": {"url": redis_url}}
    return _Settings.load(environ, read_config_file(environ, Path()), options)


def _files_of(settings: _Settings, endpoint: str) -> list[Path]:
    section = settings.endpoints.get(endpoint)
    if section is None:
        raise CommandFailed(f"No endpoint is called {endpoint}.", exit_code=WRONG_USAGE)
    paths = [reference.file for reference in section.secrets if reference.file is not None]
    if not paths:
        raise CommandFailed(
            f"The endpoint {endpoint} reads no secret from a file. Give it one, such as "
            f'secrets = [{{ file = "/etc/relay/{endpoint}.secret" }}]; it need not exist yet.',
            exit_code=WRONG_USAGE,
        )
    return paths


def _matching(
    found: list[PendingSecret], endpoint: str, fingerprint: str | None
) -> list[PendingSecret]:
    matching = [
        each
        for each in found
        if each.endpoint == endpoint and each.fingerprint.startswith(fingerprint or "")
    ]
    if not matching:
        raise CommandFailed(f"No such secret of {endpoint} waits.")
    return matching


def _one_of(found: list[PendingSecret], endpoint: str, fingerprint: str | None) -> PendingSecret:
    matching = _matching(found, endpoint, fingerprint)
    if len(matching) > 1:
        raise CommandFailed(
            f"{len(matching)} secrets of {endpoint} wait. Say which, by its fingerprint: "
            "`relay secrets pending` shows when each came.",
            exit_code=WRONG_USAGE,
        )
    return matching[0]


async def _waiting(settings: _Settings) -> list[PendingSecret]:
    async with opened(settings) as store:
        return await PendingSecrets(store.redis, store.keys).waiting()


async def _remove(settings: _Settings, found: list[PendingSecret]) -> None:
    async with opened(settings) as store:
        book = PendingSecrets(store.redis, store.keys)
        for each in found:
            await book.remove(each)
