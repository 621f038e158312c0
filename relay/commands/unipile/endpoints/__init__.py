"""``relay unipile endpoints``: what Unipile sends, and where to."""

import typer

from relay.commands.unipile.endpoints.create import create_endpoint
from relay.commands.unipile.endpoints.delete import delete_endpoint
from relay.commands.unipile.endpoints.look import list_endpoints, show_endpoint
from relay.commands.unipile.endpoints.update import (
    disable_endpoint,
    enable_endpoint,
    update_endpoint,
)


def add_to(group: typer.Typer) -> None:
    """Add the commands."""
    endpoints = typer.Typer(
        name="endpoints", no_args_is_help=True, help="The webhook endpoints that Unipile has."
    )
    endpoints.command("list")(list_endpoints)
    endpoints.command("show")(show_endpoint)
    endpoints.command("create")(create_endpoint)
    endpoints.command("update")(update_endpoint)
    endpoints.command("enable")(enable_endpoint)
    endpoints.command("disable")(disable_endpoint)
    endpoints.command("delete")(delete_endpoint)
    group.add_typer(endpoints)
