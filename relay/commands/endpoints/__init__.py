"""``relay endpoints``: adds endpoints to the configuration, looks at them, and tries them."""

import typer

from relay.commands.endpoints.add_one import add
from relay.commands.endpoints.looking import list_all, show_one
from relay.commands.endpoints.try_one import try_one


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Look at endpoints, add some to relay.toml, and try them on a running gateway.",
    )
    group.command("list")(list_all)
    group.command("show")(show_one)
    group.command("add")(add)
    group.command("test")(try_one)
    app.add_typer(group, name="endpoints")
