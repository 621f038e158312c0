"""``relay serve``: the gateway."""

from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AdminPort, Port, RedisUrl
from relay.contract.loop import run


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address where deliveries come in; 0.0.0.0 for all. [127.0.0.1]"),
    ] = None,
    port: Port = None,
    admin_port: AdminPort = None,
    redis_url: RedisUrl = None,
    spool_dir: Annotated[
        Path | None,
        typer.Option(
            "--spool-dir",
            metavar="DIR",
            help="Where events are kept, and answered 200, while Redis does not take them. [off]",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="How many processes take deliveries. [1]"),
    ] = None,
) -> None:
    """Run the gateway: deliveries in, events into Redis Streams.

    SIGTERM or Ctrl-C finishes what is in flight and ends it with 0. SIGHUP, or `relay reload`,
    reads the configuration anew without dropping a delivery. It starts, and answers 503, while
    Redis is away; with --spool-dir it answers 200 once the event is on this machine's disk.
    """
    said = {
        "host": host,
        "port": port,
        "admin_port": admin_port,
        "processes": processes,
        "spool": None if spool_dir is None else {"directory": str(spool_dir)},
        "redis": None if redis_url is None else {"url": redis_url},
    }
    options = {name: value for name, value in said.items() if value is not None}
    # Imported once it is run: help, and what was typed wrongly, wait for nothing.
    from relay.processes.configuration import read_configuration  # noqa: PLC0415
    from relay.processes.parent import serve as serve_processes  # noqa: PLC0415

    run(serve_processes(lambda: read_configuration(options)))
