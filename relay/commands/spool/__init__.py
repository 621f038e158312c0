"""``relay spool``: what gateways keep on this machine's disk, and draining what dead ones left."""

from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.spool.settings import spool_of
from relay.commands.store import environment
from relay.contract.display import show, tell
from relay.contract.explain import FAILED
from relay.contract.loop import run

COLUMNS = ("file", "state", "tag", "type", "events", "bytes", "oldest_seconds")
EMPTY = "The spool is empty."

SpoolDir = Annotated[
    Path | None,
    typer.Option(
        "--spool-dir", metavar="DIR", help="Where the spool is, if relay.toml does not say it."
    ),
]


def status(spool_dir: SpoolDir = None, as_json: AsJson = False) -> None:
    """Show what each file of the spool holds, by stream.

    A file is held by a living process, or an orphan that the next one takes over, or unreadable:
    damaged, no spool file, or not for this user. It ends with 1 if any is unreadable. With --json
    an array of objects with the keys file, state, tag, type, events, bytes and oldest_seconds; a
    file without events has one with null for tag, type and oldest_seconds.
    """
    # Only these commands need SQLite; importing it would slow the others down.
    from relay.commands.spool.rows import rows_of  # noqa: PLC0415

    directory, _ = spool_of(environment(), spool_dir)
    rows = rows_of(directory)
    show(rows, COLUMNS, as_json=as_json, empty=EMPTY)
    if any(row["state"] == "unreadable" for row in rows):
        raise typer.Exit(FAILED)


def drain(spool_dir: SpoolDir = None, redis_url: RedisUrl = None) -> None:
    """Send what dead gateways have left to Redis now, instead of waiting for the next gateway.

    May run while gateways do: what a living one holds, it drains by itself. It goes through the
    same append as any event, so what is there already is not stored twice. It ends with 1 if
    anything is left that no living process holds.
    """
    from relay.commands.spool.draining import drain_orphans  # noqa: PLC0415 - as above

    directory, settings = spool_of(environment(), spool_dir, redis_url)
    if not run(drain_orphans(directory, settings, tell)):
        raise typer.Exit(FAILED)


app = typer.Typer(
    no_args_is_help=True, help="Look at the gateways' spool on this machine, and drain it."
)
app.command("status")(status)
app.command("drain")(drain)
