"""The command line, one file per command.

Arguments come in, text and an exit code go out: 0 fine, 1 a problem or a failure, 2 wrong usage
or configuration. Other packages add their commands through the entry-point group
``relay.commands``; the gateway need not know them.
"""

from typing import Annotated

import typer

from relay import __version__
from relay.commands import (
    check,
    conformance,
    dev,
    endpoints,
    providers,
    rejections,
    reload,
    secrets,
    send,
    serve,
    spool,
    streams,
    tail,
)
from relay.commands.edge import Edge
from relay.commands.plugins import add_plugins
from relay.later import add_later

__all__ = ["LATER", "app", "make_app"]

# Many files, which only those who ask for it need.
LATER = {
    "unipile": (
        "relay.commands.unipile:app",
        "Unipile's own side: webhook endpoints, secrets, accounts, and what was lost.",
    ),
}

EPILOG = (
    "Every command that talks to Redis finds it by, in this order: --redis-url, RELAY_REDIS__URL, "
    "[redis] url in relay.toml, REDIS_URL, a `relay dev` running in this directory."
)


def make_app() -> typer.Typer:
    """Build the command line with every installed package's commands."""
    made = typer.Typer(
        name="relay",
        cls=Edge,
        no_args_is_help=True,
        add_completion=False,
        # Help and errors quote what was typed, which may hold brackets.
        rich_markup_mode=None,
        # Local variables in a traceback could hold a secret.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=EPILOG,
    )
    made.callback()(_relay)
    for module in (
        dev,
        serve,
        reload,
        send,
        providers,
        endpoints,
        tail,
        streams,
        rejections,
        secrets,
        spool,
        check,
        conformance,
    ):
        module.register(made)
    add_later(made, LATER)
    add_plugins(made)
    return made


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"webhook-relay {__version__}")
        raise typer.Exit


def _relay(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_show_version
        ),
    ] = False,
) -> None:
    """Receives signed webhooks, stores each once in a Redis Stream, and lets workers handle it."""
    del version  # dealt with before any command runs


app = make_app()
