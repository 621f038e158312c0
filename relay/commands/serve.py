"""``relay serve``: the gateway."""

from typing import Annotated

import typer

from relay.commands.options import AdminPort, Port, RedisUrl
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
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="How many processes take deliveries. [1]"),
    ] = None,
) -> None:
    """Run the gateway: deliveries in over HTTP, events into Redis Streams.

    SIGTERM or Ctrl-C finishes what is in flight and ends it with 0. SIGHUP reads the
    configuration anew without dropping a delivery. It starts, and answers 503, while Redis is
    away.
    """
    said = {
        "host": host,
        "port": port,
        "admin_port": admin_port,
        "processes": processes,
        "redis": None if redis_url is None else {"url": redis_url},
    }
    options = {name: value for name, value in said.items() if value is not None}
    # Only this command needs the gateway; importing it would double the time of the others.
    from relay.processes.configuration import read_configuration  # noqa: PLC0415
    from relay.processes.parent import serve as serve_processes  # noqa: PLC0415

    run(serve_processes(lambda: read_configuration(options)))
