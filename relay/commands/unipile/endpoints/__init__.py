"""``relay unipile endpoints``: what Unipile sends, and where to."""

import typer

from relay.commands.unipile.endpoints.look import list_endpoints, show_endpoint


def add_to(group: typer.Typer) -> None:
    """Add the commands."""
    endpoints = typer.Typer(
        name="endpoints", no_args_is_help=True, help="The webhook endpoints that Unipile has."
    )
    endpoints.command("list")(list_endpoints)
    endpoints.command("show")(show_endpoint)
    group.add_typer(endpoints)
