"""The command line, one file per command, each imported when it is asked for.

Arguments come in, text and an exit code go out: 0 fine, 1 a problem or a failure, 2 wrong usage
or configuration. Other packages add their commands through the entry-point group
``relay.commands``; the gateway need not know them.
"""

from typing import Annotated

import typer

from relay import __version__
from relay.commands.edge import Edge
from relay.commands.plugins import add_plugins
from relay.later import add_later

__all__ = ["COMMANDS", "app", "make_app"]

# Where each is, and what stands in the list of commands; the rest of its help stands with it.
COMMANDS = {
    "dev": (
        "relay.commands.dev:dev",
        "Run an embedded Valkey, the gateway, and a worker.",
    ),
    "serve": (
        "relay.commands.serve:serve",
        "Run the gateway: deliveries in, events into Redis Streams.",
    ),
    "reload": (
        "relay.commands.reload:reload",
        "Have every gateway of this store read its configuration anew.",
    ),
    "send": (
        "relay.commands.send:send",
        "Send signed example events to a running gateway.",
    ),
    "providers": (
        "relay.commands.providers:app",
        "List the kinds of senders that have a preset.",
    ),
    "endpoints": (
        "relay.commands.endpoints:app",
        "Look at endpoints, add some to relay.toml, and try them.",
    ),
    "unipile": (
        "relay.commands.unipile:app",
        "Unipile's own side: endpoints, secrets, accounts, losses.",
    ),
    "tail": (
        "relay.commands.tail:tail",
        "Follow streams and print a line per event.",
    ),
    "streams": (
        "relay.commands.streams:streams",
        "Show each stream: entries, times, memory, cap and groups.",
    ),
    "rejections": (
        "relay.commands.rejections:app",
        "Explain refused deliveries, and accept them once mended.",
    ),
    "secrets": (
        "relay.commands.secrets:app",
        "Look at secrets, and replace one without refusing a delivery.",
    ),
    "spool": (
        "relay.commands.spool:app",
        "Look at the gateways' spool on this machine, and drain it.",
    ),
    "check": (
        "relay.commands.check:check",
        "Check configuration, Redis, clocks and disk.",
    ),
    "conformance": (
        "relay.commands.conformance:conformance",
        "Fire at any receiver of webhooks, and say what it gets wrong.",
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
    add_later(made, COMMANDS)
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
