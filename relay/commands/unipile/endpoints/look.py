"""``relay unipile endpoints list`` and ``show``: endpoints as Unipile has them, without secrets."""

from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.commands.unipile.endpoints.shown import NOWHERE, holders, lines_of, row_of, whole_row
from relay.commands.unipile.opening import ApiSeconds, ApiUrl, Opening, opening
from relay.contract.display import show, show_json, tell
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.unipile import NoId, UnipileEndpoint

if TYPE_CHECKING:
    from relay.unipile.api import UnipileApi

COLUMNS = ("id", "enabled", "url", "events", "accounts", "endpoint")

EndpointId = Annotated[
    str, typer.Argument(metavar="ID", help="As Unipile calls the endpoint: we_…")
]


def list_endpoints(
    api_url: ApiUrl = None, api_seconds: ApiSeconds = 60.0, as_json: AsJson = False
) -> None:
    """List the webhook endpoints of the application, each with the endpoint here that it is for.

    That is told by the secret, as far as this terminal can read those that are configured. With
    --json an array of objects with the keys id, url, enabled, description, events, accounts,
    fingerprint (of the secret) and endpoint.
    """
    held = holders()
    found = run(_list(opening(environment(), api_url, api_seconds)))
    rows = [row_of(endpoint, held) for endpoint in found]
    if as_json:
        show_json(rows)
        return
    show(
        [_short(row) for row in rows],
        COLUMNS,
        as_json=False,
        empty="Unipile has no endpoint yet: `relay unipile endpoints create` makes one.",
    )


def show_endpoint(
    endpoint_id: EndpointId,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Show one webhook endpoint, but not its secret.

    With --json an object with the keys of `list`, and account_targets.
    """
    held = holders()
    found = run(_show(opening(environment(), api_url, api_seconds), endpoint_id))
    row = whole_row(found, held)
    if as_json:
        show_json(row)
        return
    for line in lines_of(row):
        tell(line)


def _short(row: dict[str, object]) -> dict[str, object]:
    events, accounts = row["events"], row["accounts"]
    count = len(accounts) if isinstance(accounts, list) else 0
    return {
        **row,
        "events": len(events) if isinstance(events, list) else 0,
        "accounts": count or "all",
        "endpoint": row["endpoint"] or NOWHERE,
    }


async def _list(unipile: Opening) -> list[UnipileEndpoint]:
    async with unipile as api:
        return await api.list_endpoints()


async def _show(unipile: Opening, endpoint_id: str) -> UnipileEndpoint:
    async with unipile as api:
        return await read(api, endpoint_id)


async def read(api: "UnipileApi", endpoint_id: str) -> UnipileEndpoint:
    """Read the endpoint that was typed.

    Raises:
        CommandFailed: What was typed can be no id.
        UnipileFailed: It could not be read.
    """
    try:
        return await api.read_endpoint(endpoint_id)
    except NoId as fault:
        raise CommandFailed(str(fault), exit_code=WRONG_USAGE) from None
