"""The workers' sub-commands of ``relay``, one file per command."""

import typer

from consumers.commands import dead, groups, replay, worker


def register(app: typer.Typer) -> None:
    """Add the commands to ``relay``; called through its entry point."""
    app.command("worker")(worker.worker)
    app.command("groups")(groups.groups)
    app.command("replay")(replay.replay)
    app.add_typer(dead.app, name="dead")
