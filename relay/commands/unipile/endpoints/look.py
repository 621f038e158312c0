"""``relay unipile endpoints list`` and ``show``: endpoints as Unipile has them, without secrets."""

from typing import Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.secrets.known import endpoint_settings, read_known
from relay.commands.store import environment
from relay.commands.unipile.asking import ApiSeconds, ApiUrl, Asking, asking
from relay.contract.display import show, show_json, tell
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.endpoint import Secret
from relay.unipile import UnipileEndpoint

COLUMNS = ("id", "enabled", "url", "events", "accounts", "endpoint")
# Unipile has it, and no endpoint here has its secret.
NOWHERE = "-"

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
    environ = environment()
    found = run(_list(asking(environ, api_url, api_seconds)))
    names = names_by_secret()
    rows = [row_of(endpoint, names) for endpoint in found]
    if as_json:
        show_json(rows)
        return
    show([_short(row) for row in rows], COLUMNS, as_json=False)
    if not rows:
        tell("Unipile has no endpoint yet: `relay unipile connect` makes one.")


def show_endpoint(
    endpoint_id: EndpointId,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Show one webhook endpoint, but not its secret.

    With --json an object with the keys of `list`, and account_targets.
    """
    environ = environment()
    found = run(_show(asking(environ, api_url, api_seconds), endpoint_id))
    row = row_of(found, names_by_secret())
    row["account_targets"] = [
        {
            "id": target.id,
            "name": target.account_name,
            "provider": target.account_provider,
            "status": target.status,
        }
        for target in found.account_targets or ()
    ]
    if as_json:
        show_json(row)
        return
    for line in lines_of(row):
        tell(line)


def names_by_secret() -> dict[str, str]:
    """Give the endpoints here by the fingerprints of their secrets, as far as they can be read."""
    environ = environment()
    return {
        known.secret.fingerprint: name
        for name, section in endpoint_settings(None).endpoints.items()
        for known in read_known(section, environ)
        if known.secret is not None
    }


def row_of(endpoint: UnipileEndpoint, names: dict[str, str]) -> dict[str, object]:
    """Say all that may be shown of an endpoint."""
    fingerprint = Secret(endpoint.secret, "Unipile").fingerprint
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "enabled": endpoint.enabled,
        "description": endpoint.description,
        "events": list(endpoint.events),
        "accounts": list(endpoint.accounts),
        "fingerprint": fingerprint,
        "endpoint": names.get(fingerprint),
    }


def lines_of(row: dict[str, object]) -> list[str]:
    """Write a row for people, a line for each thing."""
    return [f"{name}: {_text(value)}" for name, value in row.items()]


def _short(row: dict[str, object]) -> dict[str, object]:
    events, accounts = row["events"], row["accounts"]
    count = len(accounts) if isinstance(accounts, list) else 0
    return {
        **row,
        "events": len(events) if isinstance(events, list) else 0,
        "accounts": count or "all",
        "endpoint": row["endpoint"] or NOWHERE,
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "all"
    if isinstance(value, dict):
        return " ".join(printable(each, 80) for each in value.values() if each is not None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOWHERE if value is None else printable(value, 300)


async def _list(opened: Asking) -> list[UnipileEndpoint]:
    async with opened as api:
        return await api.list_endpoints()


async def _show(opened: Asking, endpoint_id: str) -> UnipileEndpoint:
    async with opened as api:
        return await api.read_endpoint(endpoint_id)
