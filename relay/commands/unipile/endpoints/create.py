"""``relay unipile endpoints create``: an endpoint at Unipile, and its secret where it counts.

Whether the secret can be kept is judged before Unipile is asked. Whoever is killed in between runs
the command again: an endpoint that is there already is found by its URL and, with ``--adopt``,
taken over. That is said and not done by itself: two endpoints with one URL may be a rotation, or
the other one that of another relay.
"""

from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.commands.unipile.confirming import Yes, make_sure
from relay.commands.unipile.endpoints.shown import RESTRICTED, holders, tell_done, whole_row
from relay.commands.unipile.hinting import IN_DOUBT
from relay.commands.unipile.opening import ApiSeconds, ApiUrl, Opening, opening
from relay.commands.unipile.registering.keepers import Keeper, KeptElsewhere, KeptHere
from relay.commands.unipile.registering.register import Registered, register
from relay.commands.unipile.registering.wanted import WantedEndpoint
from relay.commands.unipile.secret_file import secret_file
from relay.commands.unipile.secret_here import PROVIDER, keeping
from relay.commands.unipile.wishes import Accounts, Description, Events
from relay.contract.display import warn
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import is_name
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint

Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        help="Where Unipile delivers to: https://<your host>/webhooks/<name>, as it is from there.",
    ),
]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="The endpoint here that takes the deliveries.")
]
NoKeep = Annotated[
    bool,
    typer.Option("--no-keep", help="The relay is on another machine: leave relay.toml alone."),
]
SecretPath = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        metavar="PATH",
        help="With --no-keep: the new file that gets the secret.",
        show_default=False,
    ),
]
Adopt = Annotated[
    bool,
    typer.Option("--adopt", help="Take over an endpoint with this URL, if Unipile has one."),
]


def create_endpoint(
    url: Url,
    *,
    event: Events = None,
    account: Accounts = None,
    description: Description = None,
    name: Name = PROVIDER,
    no_keep: NoKeep = False,
    secret_path: SecretPath = None,
    adopt: Adopt = False,
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Create a webhook endpoint, and have its secret count at an endpoint here.

    The secret goes into a file of its own, and relay.toml names it; it is never shown. If that
    fails, the endpoint is deleted again. An endpoint with this URL that is there already stops it,
    unless --adopt takes it over. With --json an object with the keys of `show`, did (created or
    adopted), says (a list of sentences), secret_file and toml (lines for relay.toml, with
    --no-keep).
    """
    environ = environment()
    wanted = WantedEndpoint.said(url, events=event, accounts=account, description=description)
    keeper = _keeper(environ, name, secret_path, no_keep=no_keep)
    held = holders()
    unipile = opening(environ, api_url, api_seconds)
    for doubt in keeper.doubts(wanted):
        warn(doubt)
    make_sure(_lines(wanted, keeper), "Create this at Unipile?", yes=yes, must=False)
    done = run(_registered(unipile, wanted, keeper, adopt=adopt))
    row = whole_row(done.endpoint, held)
    if isinstance(keeper, KeptHere):
        row["endpoint"] = name
    if as_json:
        file = done.stored.file
        row |= {"secret_file": file and str(file), "toml": list(done.stored.toml)}
    did = "created" if done.did == "created" else "adopted"
    tell_done(did, _says(done), row, as_json=as_json)


async def _registered(
    unipile: Opening, wanted: WantedEndpoint, keeper: Keeper, *, adopt: bool
) -> Registered:
    async with unipile as api:
        try:
            return await register(
                api, wanted, keeper, lambda there: _adopted(there, keeper, adopt=adopt)
            )
        except CancelledError:  # Ctrl-C
            warn(f"relay: Broken off while Unipile was asked. {IN_DOUBT}")
            raise


def _adopted(
    there: Sequence[UnipileEndpoint], keeper: Keeper, *, adopt: bool
) -> UnipileEndpoint | None:
    """Give the endpoint that is taken over; it has to be the only one, and that was said."""
    if len(there) > 1 or (there and not adopt):
        raise _there_already(there, keeper)
    return next(iter(there), None)


def _there_already(there: Sequence[UnipileEndpoint], keeper: Keeper) -> CommandFailed:
    ids = ", ".join(printable(each.id, 80) for each in there[:10])
    if len(there) > 1:
        return CommandFailed(
            f"Unipile has {len(there)} endpoints with this URL already: {ids}. Delete those that "
            "are too many with `relay unipile endpoints delete`; --adopt takes over the one that "
            "is left. Nothing was done."
        )
    if keeper.counts(there[0].secret):
        said = "its secret counts here already, so nothing is missing"
    else:
        said = "--adopt takes it over with its secret"
    return CommandFailed(
        f"Unipile has an endpoint with this URL already: {ids}; {said}. A second one would bring "
        "each event twice. Nothing was done."
    )


def _says(done: Registered) -> list[str]:
    shown = printable(done.endpoint.id, 80)
    first = "Created" if done.did == "created" else "Took over"
    says = [f"{first} {shown} at Unipile.", *done.stored.says]
    if done.stored.step:
        says.append(done.stored.step)
    says += done.doubts
    if not done.endpoint.enabled:
        says.append(f"It is disabled: `relay unipile endpoints enable {shown}`.")
    if done.endpoint.accounts:
        says.append(RESTRICTED.format(id=shown))
    return says


def _keeper(environ: Mapping[str, str], name: str, path: Path | None, *, no_keep: bool) -> Keeper:
    if no_keep != (path is not None):
        raise CommandFailed(
            "--no-keep and --secret-file go together: the secret of a relay on another machine "
            "needs a file in which it gets there.",
            exit_code=WRONG_USAGE,
        )
    if path is None:
        return KeptHere(keeping(name, environ))
    if not is_name(name):
        raise CommandFailed(
            f"{printable(name, 80)}: a name is 1 to 63 lower-case letters, digits and hyphens.",
            exit_code=WRONG_USAGE,
        )
    return KeptElsewhere(name, secret_file(path))


def _lines(wanted: WantedEndpoint, keeper: Keeper) -> list[str]:
    accounts = wanted.accounts or ["all, also those to come"]
    return [
        f"url: {printable(wanted.url, 300)}",
        f"events: {', '.join(printable(each, 80) for each in wanted.new_events)}",
        f"accounts: {', '.join(printable(each, 80) for each in accounts)}",
        f"description: {printable(wanted.description or '-', 300)}",
        f"secret: {keeper.says_where}",
    ]
