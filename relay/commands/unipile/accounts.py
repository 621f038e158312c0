"""``relay unipile accounts``: how the accounts are, and when nothing came of them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from relay.commands import catalog
from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import Store, environment, opened, store_settings
from relay.commands.unipile.account_books import Account, Found, read_accounts
from relay.contract.accounts import KEPT_SECONDS, AccountStatus, Away
from relay.contract.config import FileSettings
from relay.contract.display import show
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import endpoint_of, is_name
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.contract.registry import left_out

STATUS_COLUMNS = ("endpoint", "account", "status", "product", "since", "away_since", "gaps")
GAP_COLUMNS = ("endpoint", "account", "product", "opened", "closed", "seconds", "announced")
NONE_YET = (
    "Nothing is known of any account{where}. `relay worker consumers.unipile:gaps` makes the "
    "books, from the account.status events that are stored."
)
NO_GAPS = "No account{where} was away, as far as its book goes back."
REMOVED = "removed"

Endpoint = Annotated[
    str | None, typer.Argument(metavar="[ENDPOINT]", help="Only the accounts of this endpoint.")
]
Gaps = Annotated[
    bool, typer.Option("--gaps", help="The gaps themselves, those too that have not closed.")
]


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("accounts")(accounts)


def accounts(
    endpoint: Endpoint = None,
    gaps: Gaps = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show each account: its status, since when, and how often it was away in seven days.

    It is what `relay worker consumers.unipile:gaps` has found. With --json an array of objects
    with the keys endpoint, tag, account, status, product (or null), since, away_since (null where
    it is not away) and gaps (how many closed in seven days). With --gaps the keys endpoint, tag,
    account, product, opened, closed and seconds (null where it is open), and announced.
    """
    if endpoint is not None and not is_name(endpoint):
        raise CommandFailed(
            f"{printable(endpoint, 80)}: a name is 1 to 63 lower-case letters, digits and hyphens.",
            exit_code=WRONG_USAGE,
        )
    found = run(_read(store_settings(environment(), redis_url), endpoint))
    where = "" if endpoint is None else f" of {endpoint}"
    rows = [row for each in found.accounts for row in _rows(each, gaps=gaps)]
    empty = NO_GAPS if gaps and found.accounts else NONE_YET
    columns = GAP_COLUMNS if gaps else STATUS_COLUMNS
    show(rows, columns, as_json=as_json, empty=empty.format(where=where))
    said = [left_out(found.wrong)] if found.wrong else []
    said += [
        f"{count} of {printable(key)} cannot be read: something else wrote them."
        for key, count in found.unreadable.items()
    ]
    if said:
        raise CommandFailed("\n".join(said))


async def _read(settings: FileSettings, endpoint: str | None) -> Found:
    async with opened(settings) as store:
        return await read_accounts(store.redis, store.keys, await _tags(store, endpoint))


async def _tags(store: Store, endpoint: str | None) -> list[str]:
    tags = await catalog.tags(store)
    return [tag for tag in tags if endpoint is None or endpoint_of(tag) == endpoint]


def _rows(account: Account, *, gaps: bool) -> Iterator[dict[str, object]]:
    whose = {"endpoint": endpoint_of(account.tag), "tag": account.tag, "account": account.name}
    if gaps:
        for row in _gap_rows(account):
            yield whose | row
        return
    status = account.status
    yield whose | {
        "status": status.status,
        "product": status.product,
        "since": status.since,
        "away_since": min((gap.opened for gap in _open_gaps(status)), default=None),
        "gaps": sum(_is_of_this_week(gap.closed) for gap in account.gaps),
    }


def _open_gaps(status: AccountStatus) -> Sequence[Away]:
    """Give the gaps that last; nobody waits for what a removed account has missed."""
    return () if status.status == REMOVED else status.open


def _gap_rows(account: Account) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "product": gap.product,
            "opened": gap.opened,
            "closed": gap.closed,
            "seconds": _seconds(gap.opened, gap.closed),
            "announced": gap.announced,
        }
        for gap in account.gaps
    ]
    for away in _open_gaps(account.status):
        row = {"product": away.product, "opened": away.opened, "closed": None}
        rows.append(row | {"seconds": None, "announced": False})
    return sorted(rows, key=lambda row: str(row["opened"]))


def _is_of_this_week(closed: str) -> bool:
    at = _time_of(closed)
    return at is not None and at >= datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS)


def _seconds(opened: str, closed: str) -> float | None:
    begin, end = _time_of(opened), _time_of(closed)
    return None if begin is None or end is None else (end - begin).total_seconds()


def _time_of(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
