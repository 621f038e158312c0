"""``relay unipile endpoints create``: an endpoint at Unipile, and its secret where it counts.

Whether the secret can be kept is judged before Unipile is asked. Whoever is killed in between runs
the command again: an endpoint that is there already is found by its URL and, with ``--adopt``,
taken over. That is said and not done by itself: two endpoints with one URL may be a rotation, or
the other one that of another relay.
"""

from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.commands.unipile.asking import ApiSeconds, ApiUrl, asking
from relay.commands.unipile.endpoints.keepers import Elsewhere, Here, Keeper, Wanted
from relay.commands.unipile.endpoints.registering import register_endpoint
from relay.commands.unipile.endpoints.shown import holders, tell_done, whole_row
from relay.commands.unipile.handing import secret_file
from relay.commands.unipile.keeping import PROVIDER, keeping
from relay.commands.unipile.sure import make_sure
from relay.commands.unipile.wishes import (
    Accounts,
    Description,
    Events,
    checked_description,
    checked_url,
    event_names,
)
from relay.contract.display import warn
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import is_name
from relay.contract.loop import run
from relay.contract.printable import printable

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
Yes = Annotated[bool, typer.Option("--yes", help="Without asking.")]


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
    wanted = Wanted(
        url=checked_url(url),
        events=event_names(event) if event else None,
        accounts=list(dict.fromkeys(account)) if account else None,
        description=None if description is None else checked_description(description),
    )
    keeper = _keeper(name, secret_path, no_keep=no_keep)
    held = holders()
    opened = asking(environ, api_url, api_seconds)
    for doubt in keeper.doubts(wanted):
        warn(doubt)
    make_sure(_lines(wanted, keeper), "Create this at Unipile?", yes=yes, must=False)
    done = run(register_endpoint(opened, wanted, keeper, adopt=adopt))
    row = whole_row(done.endpoint, held)
    if isinstance(keeper, Here):
        row["endpoint"] = name
    file = None if done.file is None else str(done.file)
    extra = {"secret_file": file, "toml": done.toml}
    tell_done(done.did, done.says, {**row, **extra} if as_json else row, as_json=as_json)


def _keeper(name: str, path: Path | None, *, no_keep: bool) -> Keeper:
    if no_keep != (path is not None):
        raise CommandFailed(
            "--no-keep and --secret-file go together: the secret of a relay on another machine "
            "needs a file in which it gets there.",
            exit_code=WRONG_USAGE,
        )
    if path is None:
        return Here(keeping(name, environment()))
    if not is_name(name):
        raise CommandFailed(
            f"{printable(name, 80)}: a name is 1 to 63 lower-case letters, digits and hyphens.",
            exit_code=WRONG_USAGE,
        )
    return Elsewhere(name, secret_file(path))


def _lines(wanted: Wanted, keeper: Keeper) -> list[str]:
    accounts = wanted.accounts or ["all, also those to come"]
    return [
        f"url: {printable(wanted.url, 300)}",
        f"events: {', '.join(printable(each, 80) for each in wanted.body['trigger_events'])}",
        f"accounts: {', '.join(printable(each, 80) for each in accounts)}",
        f"description: {printable(wanted.description or '-', 300)}",
        f"secret: {keeper.place}",
    ]
