"""``relay endpoints``: adds endpoints to the configuration, and tries them on a gateway."""

import typer

from relay.commands.endpoints.add_one import add
from relay.commands.endpoints.try_one import try_one


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Add endpoints to relay.toml, and try them on a running gateway."
    )
    group.command("add")(add)
    group.command("test")(try_one)
    app.add_typer(group, name="endpoints")
