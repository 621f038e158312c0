"""``relay secrets``: where secrets stand, how one is replaced, and which ones wait."""

import typer

from relay.commands.secrets.accept import accept
from relay.commands.secrets.drop import drop
from relay.commands.secrets.pending import pending
from relay.commands.secrets.rotate import rotate
from relay.commands.secrets.status import status

app = typer.Typer(
    no_args_is_help=True,
    help="Look at secrets, and replace one without refusing a delivery.",
)
for command in (status, rotate, pending, accept, drop):
    app.command(command.__name__)(command)
