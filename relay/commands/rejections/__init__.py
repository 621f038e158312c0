"""``relay rejections``: why deliveries were refused, and storing those that should not have been.

What these commands do brings much of the gateway with it, so it is imported when one is asked for:
the others should not wait for that.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.contract.explain import FAILED, WRONG_USAGE, CommandFailed
from relay.contract.keys import is_name
from relay.contract.loop import run

if TYPE_CHECKING:
    from relay.commands.rejections.accepting import Force

# Who and why, as kept beside the row.
_LONGEST_WORDS = 200

Wanted = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="<endpoint>/<entry id> from the list, or the relay-request-id of the answer.",
    ),
]
Several = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Like that of show, any number.")
]


def list_(
    endpoint: Annotated[
        str | None, typer.Argument(metavar="[ENDPOINT]", help="Only of this one.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many.")] = 20,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Only those refused for this.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="AGO", help="Only newer ones, as 30m or 1h.")
    ] = None,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """List refused deliveries, the newest first.

    The log keeps a few of each second, for 24 hours; how many were refused in all is said on
    standard error. With --json an array of objects with the keys id, received, endpoint, reason,
    compared, client, user_agent, body_bytes, request_id, dry_run and accepted.
    """
    from relay.commands.rejections.looking import Choice, list_rows  # noqa: PLC0415 - see above
    from relay.commands.rejections.since import ago_ms  # noqa: PLC0415

    if endpoint is not None:
        _check_name(endpoint)
    since_ms = 0 if since is None else time.time_ns() // 1_000_000 - ago_ms(since)
    choice = Choice(endpoint=endpoint, reason=reason, since_ms=since_ms, count=count)
    run(list_rows(redis_url, choice, as_json=as_json))


def show(
    wanted: Wanted,
    with_body: Annotated[bool, typer.Option("--body", help="Its body too.")] = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a refused delivery.

    Of its headers those values are shown that are kept of events too; credentials and signatures
    never are. Its body may hold anything, and is shown only with --body, 64 KiB of it.
    """
    from relay.commands.rejections.looking import show_row  # noqa: PLC0415 - see above

    run(show_row(redis_url, wanted, with_body=with_body, as_json=as_json))


def explain(wanted: Wanted, redis_url: RedisUrl = None, as_json: AsJson = False) -> None:
    """Say why a delivery was refused: the cause, what to do, and each step of the verification.

    It is verified again with the endpoint as it is configured now, judged at the time at which it
    came. The secrets must be readable here, as on the gateway's machine. With --json an object with
    the keys id, reason, verdict, cause, remedy and steps.
    """
    from relay.commands.rejections.explaining import explain_row  # noqa: PLC0415 - see above

    run(explain_row(redis_url, wanted, as_json=as_json))


def accept(
    ids: Several = None,
    all_of: Annotated[
        str | None, typer.Option("--all-of", metavar="ENDPOINT", help="All of this endpoint.")
    ] = None,
    *,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", help="With --force why; else, with --all-of, only those refused for this."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Store what does not verify, marked as unproved.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="With --force: who wants it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    redis_url: RedisUrl = None,
) -> None:
    """Store refused deliveries that pass now, each once.

    Each is verified again with the secrets that count now, judged at the time at which it came, and
    goes the way of any delivery: known events are duplicates, filters hold. With --force what does
    not verify is stored too, with assurance none; who wanted it and why is kept beside the row. It
    ends with 1 if any was not accepted.
    """
    from relay.commands.rejections import each, looking  # noqa: PLC0415 - see above

    if bool(ids) == (all_of is not None):
        raise CommandFailed("Say which: one or several IDs, or --all-of.", exit_code=WRONG_USAGE)
    insists = _force(by, reason) if force else None
    if insists is None and (by is not None or (reason is not None and all_of is None)):
        raise CommandFailed("--by and --reason go with --force.", exit_code=WRONG_USAGE)
    choice = None
    if all_of is not None:
        _check_name(all_of)
        choice = looking.Choice(endpoint=all_of, reason=None if insists else reason)
    wanted = each.Wanted(ids=ids or (), choice=choice, force=insists, yes=yes)
    if not run(each.accept_each(redis_url, wanted)):
        raise typer.Exit(FAILED)


def _force(by: str | None, why: str | None) -> "Force":
    from relay.commands.rejections.accepting import Force  # noqa: PLC0415 - see above

    by, why = (by or "").strip(), (why or "").strip()
    if not by or not why:
        raise CommandFailed(
            "--force needs --by NAME and --reason TEXT: they are kept beside what is stored.",
            exit_code=WRONG_USAGE,
        )
    return Force(by=by[:_LONGEST_WORDS], why=why[:_LONGEST_WORDS])


def _check_name(endpoint: str) -> None:
    if not is_name(endpoint):
        raise CommandFailed(f"No endpoint can be called {endpoint!r}.", exit_code=WRONG_USAGE)


app = typer.Typer(
    no_args_is_help=True,
    help="Explain refused deliveries, and accept them once mended.",
)
app.command("list")(list_)
app.command("show")(show)
app.command("explain")(explain)
app.command("accept")(accept)
