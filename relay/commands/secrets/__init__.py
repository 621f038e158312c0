"""``relay secrets``: where secrets stand, how one is replaced, and which ones wait."""

import typer

from relay.commands.secrets.accept import accept
from relay.commands.secrets.drop import drop
from relay.commands.secrets.pending import pending
from relay.commands.secrets.rotate import rotate
from relay.commands.secrets.status import status


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Look at the endpoints' secrets, replace one without refusing a delivery, and accept "
        "those that senders have sent to set up an endpoint.",
    )
    for command in (status, rotate, pending, accept, drop):
        group.command(command.__name__)(command)
    app.add_typer(group, name="secrets")
