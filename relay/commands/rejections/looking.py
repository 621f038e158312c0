"""``relay rejections list`` and ``show``: what was refused, as it may be shown."""

import heapq
from dataclasses import dataclass
from typing import get_args

from relay.commands.rejections.find import endpoints_of, find_row, log_settings
from relay.commands.rejections.shown import Row, compared_short, compared_words, summary, whole
from relay.commands.store import Store, opened
from relay.contract.connect import ResponseError
from relay.contract.display import show, show_json, tell, time_text, warn
from relay.contract.errors import RefusedSignature
from relay.contract.keys import made_at
from relay.contract.printable import printable
from relay.rejections.accepted import read_acceptances
from relay.rejections.read import newest_rows
from relay.rejections.rejection import Rejection
from relay.usage import read_usage

# What fits a terminal; the id has the endpoint, and `show` has the rest.
COLUMNS = ("id", "received", "reason", "compared", "client", "accepted")
EMPTY = "Nothing that was refused is in the log."
# Of these there are rows; what is to come again later has none.
REASONS = (
    *get_args(RefusedSignature),
    "handshake_refused",
    "too_many_secrets",
    "body_too_large",
    "method_not_allowed",
)
DRY_RUN = "dry_run:"
# Of a header, or of whatever else is printed in text.
MOST_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rows are meant.

    Args:
        endpoint: Of this one; none for all.
        reason: Refused for this; none for any.
        since_ms: Received since then, ms since the epoch; 0 for all.
        count: At most so many, the newest.
    """

    endpoint: str | None = None
    reason: str | None = None
    since_ms: int = 0
    count: int | None = None


async def list_rows(redis_url: str | None, choice: Choice, *, as_json: bool) -> None:
    """Show the newest rows, and say of how many refusals there are none."""
    settings = log_settings(redis_url)
    async with opened(settings) as store:
        names = [choice.endpoint] if choice.endpoint else None
        names = names or await endpoints_of(store, list(settings.endpoints))
        found = [row for name in names for row in await chosen_rows(store, name, choice)]
        newest = heapq.nlargest(choice.count or len(found), found, key=_when)
        rows = [await _summary(store, row) for row in newest]
        counted = [line for name in names if (line := await _counted(store, name))]
    if as_json:
        show_json(rows)
    else:
        lines = [_line(row, one) for row, one in zip(rows, newest, strict=True)]
        show(lines, COLUMNS, as_json=False, empty=EMPTY)
    for line in counted:
        warn(line)


async def chosen_rows(store: Store, name: str, choice: Choice) -> list[Rejection]:
    """Give the rows of one endpoint that are meant, the newest first.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    found: list[Rejection] = []
    async for row in newest_rows(store.redis, store.keys, name):
        # A row is written after its delivery came, so what follows is older still.
        if len(found) == choice.count or 1000 * made_at(row.id) < choice.since_ms:
            break
        if choice.reason in (None, row.reason) and row.received_at_ms >= choice.since_ms:
            found.append(row)
    return found


async def show_row(redis_url: str | None, wanted: str, *, with_body: bool, as_json: bool) -> None:
    """Show one row, redacted."""
    settings = log_settings(redis_url)
    async with opened(settings) as store:
        row = await find_row(store, list(settings.endpoints), wanted)
        noted = await read_acceptances(store.redis, store.keys, row.endpoint, [row.id])
    shown = whole(row, noted.get(row.id), with_body=with_body)
    if as_json:
        show_json(shown)
        return
    for name, value in shown.items():
        if name != "body_cut":
            _tell(name, value)
    if shown.get("body_cut"):
        warn("The body is longer; this is its beginning.")


def _tell(name: str, value: object) -> None:
    """Say one thing of a row, over several lines where it has parts."""
    label = name.replace("_", " ")
    if isinstance(value, dict):
        value = compared_words(value)
    if isinstance(value, list):
        tell(f"{label}:")
        for header, content in value:
            tell(f"  {printable(header)}: {printable(content, MOST_CHARACTERS)}")
        return
    if isinstance(value, bool):
        value = "yes" if value else "no"
    limit = 2 * len(str(value)) if name == "body" else MOST_CHARACTERS
    tell(f"{label}: {'-' if value in (None, '') else printable(value, limit)}")


def _line(row: Row, rejection: Rejection) -> Row:
    words = compared_short(rejection)
    taken = "dry run" if row["dry_run"] and row["accepted"] is None else row["accepted"]
    return row | {"compared": words or None, "accepted": taken}


async def _summary(store: Store, row: Rejection) -> Row:
    noted = await read_acceptances(store.redis, store.keys, row.endpoint, [row.id])
    return summary(row, noted.get(row.id))


async def _counted(store: Store, name: str) -> str | None:
    """Say how many refusals an endpoint's book counts, of which the log may have a few."""
    try:
        outcomes = (await read_usage(store.redis, store.keys, name)).outcomes
        held = await store.redis.xlen(store.keys.rejected(name))
    except ResponseError:
        return None  # something else stands in the place of one of them
    refused = [each for reason, each in outcomes.items() if reason.removeprefix(DRY_RUN) in REASONS]
    if not refused:
        return None
    since = time_text(min(each.first_ms for each in refused))
    return (
        f"{printable(name)}: refused since {since}: {sum(each.count for each in refused)}; "
        f"rows in the log: {held}. It keeps a few of each second, for 24 hours."
    )


def _when(row: Rejection) -> int:
    return row.received_at_ms
