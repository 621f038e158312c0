"""Asks, fires, and says what was found."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import typer

from relay.commands.conformance.aim import Wanted
from relay.commands.store import environment, opened, store_settings
from relay.conformance import Report, Target, Unreachable, examine
from relay.conformance.check import Check
from relay.conformance.event import PREFIX
from relay.conformance.observe import ObservingFailed, StoreObserver
from relay.conformance.probe import MOST_DELIVERIES
from relay.conformance.shown import WRONG, counted, explained, rows
from relay.contract.display import show, show_json, tell, warn
from relay.contract.explain import WRONG_USAGE, CommandFailed, redacted
from relay.contract.printable import printable
from relay.http.listen import open_files

COLUMNS = ("check", "verdict", "holds")


def confirm(target: Target, url: str, *, yes: bool) -> None:
    """Say what is about to be sent, and ask where it does not stay on this machine.

    Raises:
        CommandFailed: Nobody can be asked, or the answer was no.
    """
    where = printable(redacted(url))
    warn(
        f"Sends at most {MOST_DELIVERIES} deliveries to {where}. They are signed, and so real to "
        f"whoever handles them; their ids begin with {PREFIX}{target.maker.run}."
    )
    if yes or target.address.is_here:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandFailed(
            "Nothing was sent: there is nobody to ask. Add --yes.", exit_code=WRONG_USAGE
        )
    if not typer.confirm("Go on?", err=True):
        raise CommandFailed("Nothing was sent.")


async def fire(target: Target, checks: Sequence[Check], wanted: Wanted) -> Report:
    """Run the checks.

    Raises:
        CommandFailed: The receiver cannot be reached, or its observer cannot see.
    """
    open_files()  # a connection is one, and there are a thousand at once
    try:
        async with _observed(target, wanted) as observed:
            return await examine(observed, checks)
    except Unreachable as error:
        where = printable(redacted(wanted.url or ""))
        raise CommandFailed(f"The receiver cannot be reached at {where}: {error}") from None
    except ObservingFailed as error:
        raise CommandFailed(f"What was stored cannot be seen: {printable(error)}") from None


@asynccontextmanager
async def _observed(target: Target, wanted: Wanted) -> AsyncIterator[Target]:
    """Have the store looked at within the block, where one was named."""
    if wanted.redis_url is None:
        yield target
        return
    endpoint = target.address.path.partition("?")[0].rpartition("/")[2]
    async with opened(store_settings(environment(), wanted.redis_url)) as store:
        seconds, _ = await store.redis.time()
        # From a moment before: entries of one ms have no order that a clock knows.
        since = f"{1000 * (int(seconds) - 1)}"
        yield replace(target, observer=StoreObserver(store.redis, store.keys, endpoint, since))


def tell_of(
    report: Report, checks: Sequence[Check], target: Target, wanted: Wanted, *, as_json: bool
) -> None:
    """Say what was found.

    Raises:
        CommandFailed: A check failed, or could not be judged.
    """
    found = rows(report, checks)
    if as_json:
        show_json(_document(report, found, target, wanted))
    else:
        show(found, COLUMNS, as_json=False)
        for line in explained(report, checks):
            tell(line)
        tell(f"\n{counted(report)}")
    wrong = [result.check for result in report.results if result.verdict in WRONG]
    if wrong:
        raise CommandFailed(f"Failed or not judged: {', '.join(wrong)}")


def _document(
    report: Report, found: list[dict[str, object]], target: Target, wanted: Wanted
) -> Mapping[str, object]:
    return {
        "url": redacted(wanted.url or ""),
        "run": f"{PREFIX}{target.maker.run}",
        "sent": report.sent,
        "verdicts": Counter(str(result.verdict) for result in report.results),
        "checks": found,
    }
