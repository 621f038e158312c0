"""What the store knows of accounts: their status, and the gaps in which they were away.

A worker writes these books (`consumers.unipile`), and whoever shows them reads them here: a field
of a hash comes in, a struct goes out. Fields that are not known are passed over.

Source: docs/reference/streams.md; docs/adr/0032.
"""

import msgspec

GAP_TYPE = "relay.account.gap"
# How long what befell an account can still be told late. Older changes are only summed up.
KEPT_SECONDS = 7 * 86_400
# So many changes of one account at most; the oldest are summed up earlier where there are more.
MOST_CHANGES = 1000


class Away(msgspec.Struct, frozen=True):
    """A gap that has not closed.

    Args:
        opened: Since when, RFC 3339 in ms with Z.
        product: Which product of the account; none for all of it.
    """

    opened: str
    product: str | None = None


class AccountStatus(msgspec.Struct, frozen=True):
    """How an account is now.

    Args:
        status: The end of the last type that told it, as ``running``; or ``removed``.
        since: Since when, RFC 3339 in ms with Z.
        product: Which product it is of, where that was said.
        open: The gaps that have not closed, in the order in which they opened.
    """

    status: str
    since: str
    product: str | None = None
    open: tuple[Away, ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """A gap that has closed.

    Args:
        opened: RFC 3339 in ms with Z.
        closed: Likewise, and later.
        product: Which product of the account; none for all of it.
        plain: Its event's id needs no product to be told from others'.
        announced: Its event is in the stream.
        gone: What came late showed another gap in its place.
    """

    opened: str
    closed: str
    product: str | None = None
    plain: bool = False
    announced: bool = False
    gone: bool = False


class AccountBook(msgspec.Struct, frozen=True):
    """The closed gaps of an account; the rest of its book is the fold's own.

    Args:
        gaps: Those of the last week of the account's changes.
    """

    gaps: tuple[Gap, ...] = ()


_statuses = msgspec.json.Decoder(AccountStatus)
_books = msgspec.json.Decoder(AccountBook)


def read_status(value: bytes) -> AccountStatus | None:
    """Read a field of ``@accounts``; none for what nobody of ours has written."""
    try:
        return _statuses.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def read_book(value: bytes) -> AccountBook | None:
    """Read a field of ``@gaps``; none for what nobody of ours has written."""
    try:
        return _books.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
