"""``relay unipile connect``: from an account of Unipile's to a first verified delivery, in one go.

Judged first is all that can be: key, configuration, files, store, and whether the URL leads here.
Then the endpoint is registered, its secret is kept, and the gateways are told, in this order, so
that a command that was killed at any point is run again and comes to the same one endpoint, file
and table. What Unipile delivers before the gateways have the secret is refused, and tried again by
it. Where the secret cannot be kept, the new endpoint is deleted again.
"""

from typing import Annotated

import typer

from relay.commands.gateway_url import endpoint_url
from relay.commands.options import AsJson, RedisUrl
from relay.commands.secrets.known import endpoint_settings
from relay.commands.store import environment
from relay.commands.unipile.opening import URL_VARIABLE, ApiSeconds, ApiUrl, opening
from relay.commands.unipile.registering.wanted import WantedEndpoint
from relay.commands.unipile.reloading import ReloadSeconds
from relay.commands.unipile.secret_here import keeping
from relay.commands.unipile.wishes import Accounts, Description, Events, checked_url
from relay.contract.display import show_json, tell, warn
from relay.contract.explain import FAILED, WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable

PublicUrl = Annotated[
    str,
    typer.Option(
        "--public-url",
        metavar="URL",
        help="Where Unipile reaches the gateway: https://hooks.example.com, or an endpoint's "
        "whole URL.",
    ),
]
Name = Annotated[str, typer.Option(metavar="ENDPOINT", help="The name of the endpoint here.")]
Wait = Annotated[
    float, typer.Option(min=0, help="How many seconds to wait for the first delivery; 0: not.")
]
Unchecked = Annotated[
    bool,
    typer.Option("--unchecked", help="Do not try the URL: only the outside reaches it."),
]


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("connect")(connect)


def connect(
    public_url: PublicUrl,
    *,
    name: Name = "unipile",
    event: Events = None,
    account: Accounts = None,
    description: Description = None,
    wait: Wait = 300.0,
    reload_seconds: ReloadSeconds = 60.0,
    unchecked: Unchecked = False,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Register at Unipile, keep the secret, reload, and wait for the first delivery.

    Run it where the gateway's relay.toml is, as the user that the gateway runs as. An endpoint with
    this URL that Unipile has already is taken over, and changed as far as options say so. Run
    again, it goes on where it was. The exit code is 0 if the secret has proved a delivery, or with
    --wait 0 if all is set up. With --json an object with the keys endpoint, url, id, did (created,
    changed or found), secret (the new file, if there is one), taken_over (whether gateways have
    said so) and first (none, or an object: type, account, id, stream, received).
    """
    # Only what asks Unipile needs what does.
    from relay.commands.unipile.connect.go import Task, go  # noqa: PLC0415

    environ = environment()
    unipile = opening(environ, api_url, api_seconds)
    wanted = WantedEndpoint.said(
        endpoint_url(checked_url(public_url), name, "--public-url"),
        events=event,
        accounts=account,
        description=description,
        sends=True,
    )
    _judge_url(wanted.url, is_stand_in=is_stand_in(api_url, environ), unchecked=unchecked)
    say = warn if as_json else tell
    settings = endpoint_settings(redis_url)
    task = Task(
        keeping=keeping(name, environ, redis_url),
        wanted=wanted,
        settings=settings,
        redis_url=redis_url,
        unchecked=unchecked,
        wait_seconds=wait,
        reload_seconds=reload_seconds,
        say=say,
    )
    try:
        done = run(go(task, unipile))
    except KeyboardInterrupt:
        raise CommandFailed(
            "Ended by you. What was set up stays; run it again to go on, or to wait on."
        ) from None
    if as_json:
        show_json(done.row)
    if not done.is_fine:
        raise typer.Exit(FAILED)


def is_stand_in(api_url: str | None, environ: dict[str, str]) -> bool:
    """Tell whether it is a stand-in on this machine that is asked: no other is over http://."""
    return (api_url or environ.get(URL_VARIABLE, "").strip()).startswith("http://")


def _judge_url(url: str, *, is_stand_in: bool, unchecked: bool) -> None:
    from relay.commands.unipile.connect.reach import is_only_here  # noqa: PLC0415

    if is_stand_in:
        return
    if is_only_here(url) and not unchecked:
        raise CommandFailed(
            f"Unipile cannot reach {printable(url, 200)}: it is an address of this machine or "
            "network. Give the one that is reached from the internet.",
            exit_code=WRONG_USAGE,
        )
    if url.startswith("http://"):
        warn(
            "relay: over http:// anyone on the way can read the events; signatures still keep them "
            "from being changed. Use https:// as soon as you can."
        )
