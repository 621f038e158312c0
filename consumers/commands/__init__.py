"""The workers' sub-commands of ``relay``, one file per command."""

import typer

from consumers.commands import dead, groups, pause, remove, replay, worker


def register(app: typer.Typer) -> None:
    """Add the commands to ``relay``; called through its entry point."""
    app.command("worker")(worker.worker)
    app.command("replay")(replay.replay)
    groups.app.command("pause")(pause.pause_group)
    groups.app.command("resume")(pause.resume_group)
    groups.app.command("remove")(remove.remove_group)
    app.add_typer(groups.app, name="groups")
    app.add_typer(dead.app, name="dead")
