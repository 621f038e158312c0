"""``relay check``: what is wrong with configuration and store, and what to do about it."""

from typing import Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import environment
from relay.contract.display import show, tell
from relay.contract.explain import FAILED

COLUMNS = ("state", "what", "found", "advice")


def check(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Also put missing tags, streams and configured groups back into the books.",
        ),
    ] = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check configuration, Redis, clocks and disk.

    Of Redis: version, persistence, memory and role. Says too what the dedupe index will need at the
    expected rate.

    Ends with 1 if anything fails; a warning does not. With --json an array of objects with the
    keys state (ok, warn, fail or mended), what, found and advice.
    """
    # Imported once it is run: help, and what was typed wrongly, wait for nothing.
    from relay.commands.check.look import look  # noqa: PLC0415

    findings = look(environment(), redis_url, repair=repair)
    show([finding.row() for finding in findings], COLUMNS, as_json=as_json)
    failures = sum(finding.state == "fail" for finding in findings)
    if not as_json:
        tell(
            f"{failures} failed, {sum(finding.state == 'warn' for finding in findings)} to look at"
        )
    if failures:
        raise typer.Exit(FAILED)
