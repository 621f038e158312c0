"""``relay dev``: everything on this machine, for trying it out; one Ctrl-C stops all."""

from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AdminPort, Port
from relay.contract.logs import configure_logs
from relay.contract.loop import run
from relay.contract.surroundings import DEV_DIRECTORY

REDIS_PORT = 6399


def dev(
    port: Port = None,
    admin_port: AdminPort = None,
    redis_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where the embedded server listens.")
    ] = REDIS_PORT,
    data_dir: Annotated[
        Path, typer.Option(help="Events, password and secret are kept here.")
    ] = Path(DEV_DIRECTORY),
    worker: Annotated[
        str | None,
        typer.Option(
            "--worker",
            metavar="MODULE:NAME",
            help="A worker of yours instead, started anew when its code changes.",
        ),
    ] = None,
) -> None:
    """Run an embedded Valkey, the gateway, and a worker.

    The store is durable, and the worker prints events. Where no relay.toml names endpoints, there
    is one, unipile; its secret comes from UNIPILE_WEBHOOK_SECRET, else one is made once and kept in
    the data directory. A relay.toml in this directory counts, but for the store. Ctrl-C stops
    everything; the events stay.
    """
    # Imported once it is run: help, and what was typed wrongly, wait for nothing.
    from relay.commands.dev.parts import Wanted, run_all  # noqa: PLC0415

    configure_logs("auto")
    run(run_all(Wanted(port, admin_port, redis_port, data_dir, worker)))
