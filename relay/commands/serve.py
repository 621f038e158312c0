"""``relay serve``: the gateway."""

from typing import Annotated

import typer

from relay import app as gateway
from relay.commands.options import AdminPort, Port, RedisUrl
from relay.commands.store import environment, gateway_settings
from relay.contract.logs import configure_logs
from relay.contract.loop import run


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address where deliveries come in; 0.0.0.0 for all. [127.0.0.1]"),
    ] = None,
    port: Port = None,
    admin_port: AdminPort = None,
    redis_url: RedisUrl = None,
) -> None:
    """Run the gateway: deliveries in over HTTP, events into Redis Streams.

    SIGTERM or Ctrl-C finishes what is in flight and ends it with 0. It starts, and answers 503,
    while Redis is away.
    """
    environ = environment()
    settings = gateway_settings(environ, redis_url, host=host, port=port, admin_port=admin_port)
    configure_logs(settings.log_format)
    run(gateway.serve(settings, environ))
