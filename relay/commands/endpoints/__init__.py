"""``relay endpoints``: adds endpoints to the configuration, looks at them, and tries them."""

import typer

from relay.commands.endpoints.add_one import add
from relay.commands.endpoints.looking import list_all, show_one
from relay.commands.endpoints.try_one import try_one

app = typer.Typer(
    no_args_is_help=True,
    help="Look at endpoints, add some to relay.toml, and try them.",
)
app.command("list")(list_all)
app.command("show")(show_one)
app.command("add")(add)
app.command("test")(try_one)
