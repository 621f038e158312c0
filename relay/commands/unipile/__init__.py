"""``relay unipile``: Unipile's side of it, from an empty account to a flow that is compared.

Each command is a file; ``asking`` reaches Unipile, and ``keeping`` has a secret count here.
"""

import typer

from relay.commands.unipile import (
    accounts,
    connect,
    endpoints,
    reconcile,
    rotate,
    stand_in,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        name="unipile",
        no_args_is_help=True,
        help="Unipile's own side: webhook endpoints, secrets, accounts, and what was lost.",
    )
    for command in (connect, endpoints, rotate, reconcile, accounts, stand_in):
        command.add_to(group)
    app.add_typer(group)
