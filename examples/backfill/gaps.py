"""Statuses of accounts in, gaps out: from when to when webhooks of an account may be missing.

Statuses may come in any order, since each type has a stream of its own; so all are kept, and a gap
is found by whichever of its two ends comes last.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

TABLES = """
CREATE TABLE IF NOT EXISTS account_statuses (
    account text NOT NULL,
    at timestamptz NOT NULL,
    running boolean NOT NULL,
    PRIMARY KEY (account, at)
);
"""
NOTE = """
INSERT INTO account_statuses (account, at, running) VALUES (%(account)s, %(at)s, %(running)s)
ON CONFLICT DO NOTHING
"""
# From the first failure after the account last ran, to when it ran again.
FIND = """
WITH up AS (
    SELECT min(at) AS at FROM account_statuses
    WHERE account = %(account)s AND running AND at >= %(at)s
), before AS (
    SELECT coalesce(max(status.at), '-infinity') AS at FROM account_statuses AS status, up
    WHERE status.account = %(account)s AND running AND status.at < up.at
)
SELECT min(status.at), up.at FROM account_statuses AS status, up, before
WHERE status.account = %(account)s AND NOT running
    AND status.at > before.at AND status.at < up.at
GROUP BY up.at
"""
# A webhook may have been on its way when the account dropped out, and clocks differ.
MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which webhooks of an account may be missing."""

    account: str
    since: datetime
    until: datetime


async def note(
    connection: AsyncConnection[Any], account: str, at: datetime, *, running: bool
) -> Gap | None:
    """Note a status, and give the gap that it begins or ends, once both its ends are known."""
    values = {"account": account, "at": at, "running": running}
    await connection.execute(NOTE, values)
    # Before looking: of two ends that are noted at the same moment, one sees the other, or both
    # do; then both fill the gap, which costs time and nothing else.
    await connection.commit()
    row = await (await connection.execute(FIND, values)).fetchone()
    return Gap(account, row[0] - MARGIN, row[1] + MARGIN) if row else None
