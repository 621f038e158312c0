"""``relay unipile endpoints update``, ``enable`` and ``disable``: what and where to it sends."""

from typing import Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.commands.unipile.endpoints.apply import Words, change
from relay.commands.unipile.endpoints.changes import Changes, ListChange
from relay.commands.unipile.endpoints.look import EndpointId
from relay.commands.unipile.endpoints.shown import RESTRICTED, holders
from relay.commands.unipile.opening import ApiSeconds, ApiUrl, opening
from relay.commands.unipile.wishes import account_ids, checked_description, checked_url
from relay.contract.explain import WRONG_USAGE, CommandFailed

UPDATE = Words("updated", "Updated {id}.", "{id} is so already; nothing was sent.", RESTRICTED)
ENABLE = Words("enabled", "Enabled {id}.", "{id} is enabled already; nothing was sent.")
DISABLE = Words("disabled", "Disabled {id}.", "{id} is disabled already; nothing was sent.")

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Deliver to there from now on.")
]
Description = Annotated[
    str | None, typer.Option(metavar="TEXT", help="In your own words; empty for none.")
]
Event = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="TYPE", help="Only these types; * in it for several."),
]
AddEvent = Annotated[
    list[str] | None, typer.Option("--add-event", metavar="TYPE", help="This type too.")
]
RemoveEvent = Annotated[
    list[str] | None, typer.Option("--remove-event", metavar="TYPE", help="No more of this type.")
]
Account = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="ACCOUNT", help="Only of these accounts, acc_…"),
]
AddAccount = Annotated[
    list[str] | None, typer.Option("--add-account", metavar="ACCOUNT", help="Of this one too.")
]
RemoveAccount = Annotated[
    list[str] | None,
    typer.Option("--remove-account", metavar="ACCOUNT", help="No more of this one."),
]
AllAccounts = Annotated[
    bool, typer.Option("--all-accounts", help="Of every account, also those to come.")
]


def update_endpoint(
    endpoint_id: EndpointId,
    *,
    url: Url = None,
    description: Description = None,
    event: Event = None,
    add_event: AddEvent = None,
    remove_event: RemoveEvent = None,
    account: Account = None,
    add_account: AddAccount = None,
    remove_account: RemoveAccount = None,
    all_accounts: AllAccounts = False,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Change what a webhook endpoint sends, and where to; options for lists may be repeated.

    With --json an object with the keys of `show`, did (updated or nothing) and says.
    """
    changes = Changes(
        url=None if url is None else checked_url(url),
        description=None if description is None else checked_description(description),
        events=ListChange(whole=event or (), add=add_event or (), remove=remove_event or ()),
        accounts=ListChange(
            whole=account_ids(account or ()),
            add=account_ids(add_account or ()),
            remove=remove_account or (),
        ),
        all_accounts=all_accounts,
    )
    if changes == Changes():
        raise CommandFailed("Say what is to be changed; see --help.", exit_code=WRONG_USAGE)
    held = holders()
    unipile = opening(environment(), api_url, api_seconds)
    change(unipile, endpoint_id, changes, UPDATE, held, as_json=as_json)


def enable_endpoint(
    endpoint_id: EndpointId,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Have a webhook endpoint send.

    With --json an object with the keys of `show`, did (enabled or nothing) and says.
    """
    held = holders()
    unipile = opening(environment(), api_url, api_seconds)
    change(unipile, endpoint_id, Changes(enabled=True), ENABLE, held, as_json=as_json)


def disable_endpoint(
    endpoint_id: EndpointId,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Have a webhook endpoint send nothing, and stay.

    With --json an object with the keys of `show`, did (disabled or nothing) and says.
    """
    held = holders()
    unipile = opening(environment(), api_url, api_seconds)
    change(unipile, endpoint_id, Changes(enabled=False), DISABLE, held, as_json=as_json)
