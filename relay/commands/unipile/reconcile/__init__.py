"""``relay unipile reconcile``: which events Unipile could not deliver, and are not here.

What it does brings much of the gateway with it, so it is imported when it is asked for.
"""

from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AsJsonLines, RedisUrl
from relay.commands.unipile.opening import ApiSeconds, ApiUrl
from relay.contract.explain import FAILED
from relay.contract.loop import run

SETTLED_AFTER_SECONDS = 300


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("reconcile")(reconcile)


def reconcile(
    endpoint: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENDPOINT]", help="Only this one of relay.toml; else every one of Unipile's."
        ),
    ] = None,
    *,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            metavar="we_…",
            help="What Unipile calls the endpoint, where its secret cannot be read here. "
            "May be given several times.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="SPAN", help="How far back, as 6h or 2d. [the dedupe window]"
        ),
    ] = None,
    settled_after: Annotated[
        int,
        typer.Option(
            "--settled-after",
            min=0,
            metavar="SECONDS",
            help="What was tried less long ago may come yet, and is pending.",
        ),
    ] = SETTLED_AFTER_SECONDS,
    with_pending: Annotated[bool, typer.Option("--pending", help="List those too.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="List all of them, however many.")] = False,
    spool_dir: Annotated[
        Path | None,
        typer.Option(
            "--spool-dir", metavar="DIR", help="Where the spool is, if relay.toml does not say it."
        ),
    ] = None,
    redis_url: RedisUrl = None,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJsonLines = False,
) -> None:
    """Compare Unipile's log of delivery attempts with what is here, and list what is nowhere.

    Events of which every attempt failed are looked for in the dedupe index, the streams, the spool
    of this machine and the refusal log. It ends with 1 if any was lost or refused, if something
    may hide a loss, or if the log could not be read whole: then nothing is said of any event. With
    --json an object per endpoint with the keys endpoint, unipile_ids, since, log_from, attempts,
    events, lost, refused, filtered, pending, unproved, doubts and ok.
    """
    from relay.commands.unipile.reconcile.comparing import Wanted, compare_all  # noqa: PLC0415
    from relay.commands.unipile.reconcile.shown import Shown, show_verdict  # noqa: PLC0415

    wanted = Wanted(
        endpoint=endpoint,
        ids=tuple(ids or ()),
        since=since,
        settled_after_seconds=settled_after,
        spool_dir=spool_dir,
        redis_url=redis_url,
        api_url=api_url,
        api_seconds=api_seconds,
    )
    verdicts = run(compare_all(wanted))
    for verdict in verdicts:
        show_verdict(verdict, Shown(as_json=as_json, all=all_, pending=with_pending))
    if not all(verdict.ok for verdict in verdicts):
        raise typer.Exit(FAILED)
