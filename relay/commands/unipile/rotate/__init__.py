"""``relay unipile rotate``: replaces the secret of an endpoint at Unipile, and loses nothing by it.

Unipile cannot change a secret, so a second endpoint takes the place of the first. The order is what
keeps every event: the second one sends nothing until all gateways have its secret; both deliver
everything for a while, and the relay stores each event once; the first is deleted only when the
second has proved a delivery, has every type and account of the first, and nothing is left that only
the first one still tries; and its secret counts for as long after that as something may come that
it signed. Where it stands is read from Unipile's endpoints and from the secrets in ``relay.toml``,
never from a file of its own, so a command that was killed at any point is run again and goes on.
"""

from typing import Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.rejections.since import ago_ms
from relay.commands.secrets.known import endpoint_settings
from relay.commands.store import environment
from relay.commands.unipile.opening import ApiSeconds, ApiUrl, opening
from relay.commands.unipile.reloading import ReloadSeconds
from relay.commands.unipile.secret_here import keeping
from relay.contract.display import show_json, tell, warn
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run

EndpointName = Annotated[
    str, typer.Argument(metavar="[ENDPOINT]", help="The name of the endpoint here.")
]
Overlap = Annotated[
    str | None,
    typer.Option(
        metavar="SPAN",
        help="Do it all: have both sign for so long (90s, 10m, 1h, 1d), and finish.",
        show_default=False,
    ),
]
Finish = Annotated[bool, typer.Option("--finish", help="Delete the first: only the second signs.")]
Back = Annotated[bool, typer.Option("--back", help="Delete the second: only the first signs.")]
Yes = Annotated[bool, typer.Option("--yes", help="Also where events may be lost by it.")]
RetrySeconds = Annotated[
    int,
    typer.Option(
        min=0,
        max=31 * 24 * 3600,
        help="For how long the secret of a deleted endpoint counts on, for what is tried again.",
    ),
]


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("rotate")(rotate)


def rotate(
    endpoint: EndpointName = "unipile",
    *,
    overlap: Overlap = None,
    finish: Finish = False,
    back: Back = False,
    retry_seconds: RetrySeconds = 3600,
    reload_seconds: ReloadSeconds = 60.0,
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace the secret with which Unipile signs: by a second endpoint, then without the first.

    The first time it makes the second endpoint like the first, keeps its secret, reloads the
    gateways, and has it sign. After that it says where the rotation stands, until --finish or
    --back ends it. Killed at any point, it goes on when it is run again. Run it where the gateway's
    relay.toml is, as the user that the gateway runs as. With --json an object with the keys
    endpoint, did (begun, standing, finished, taken_back, cleared or nothing) and says (a list of
    sentences).
    """
    # Only what asks Unipile needs what does.
    from relay.commands.unipile.rotate.go import Task, go  # noqa: PLC0415

    if sum([overlap is not None, finish, back]) > 1:
        raise CommandFailed("One at a time: --overlap, --finish or --back.", exit_code=WRONG_USAGE)
    environ = environment()
    unipile = opening(environ, api_url, api_seconds)
    task = Task(
        name=endpoint,
        environ=environ,
        settings=endpoint_settings(redis_url),
        redis_url=redis_url,
        overlap_seconds=None if overlap is None else ago_ms(overlap, "--overlap") / 1000,
        finish=finish,
        back=back,
        yes=yes,
        reload_seconds=reload_seconds,
        retry_seconds=retry_seconds,
        out=warn if as_json else tell,
    )
    keeping(endpoint, environ, redis_url)
    try:
        done = run(go(task, unipile))
    except KeyboardInterrupt:
        raise CommandFailed(
            "Ended by you. What was done stays, and nothing is refused over it: run it again to "
            "see where it stands."
        ) from None
    if as_json:
        show_json({"endpoint": endpoint, "did": done.did, "says": done.says})
