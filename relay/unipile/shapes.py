"""What Unipile answers, as far as it is used: more fields may come, and null for an empty list.

Source: https://github.com/unipile/unipile-node.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

ItemT = TypeVar("ItemT")


class AccountTarget(msgspec.Struct, frozen=True, kw_only=True):
    """An account that an endpoint is restricted to.

    Args:
        id: ``acc_…``.
        account_name: As people know it.
        account_provider: Such as ``linkedin``.
        status: ``active`` or ``deleted``.
    """

    id: str
    account_name: str | None = None
    account_provider: str | None = None
    status: str | None = None


class UnipileEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook endpoint as Unipile has it.

    Args:
        id: ``we_…``.
        url: Where it posts to.
        secret: With which it signs.
        enabled: Whether it sends.
        description: The operator's own words.
        trigger_events: The types that it sends.
        account_ids: The accounts whose events it sends; none or an empty list for all.
        account_targets: What is known of those.
    """

    id: str
    url: str
    secret: str
    enabled: bool = True
    description: str | None = None
    trigger_events: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None
    account_targets: tuple[AccountTarget, ...] | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """The types that it sends."""
        return self.trigger_events or ()

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that it is restricted to; empty for all."""
        return self.account_ids or ()

    def __repr__(self) -> str:
        return f"<UnipileEndpoint {self.id!r}>"


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver an event; it holds no copy of the event.

    Args:
        id: ``wc_…``.
        event_id: ``evt_…``.
        event_type: Such as ``message.new``.
        created_at: When it was made, RFC 3339.
        endpoint_id: ``we_…``.
        first_attempt: Whether no other came before it.
        http_status: What was answered; none where nothing was.
    """

    id: str
    event_id: str
    event_type: str
    created_at: str
    endpoint_id: str | None = None
    first_attempt: bool | None = None
    http_status: int | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it was answered so that Unipile does not try again."""
        return self.http_status is not None and 200 <= self.http_status <= 299


class Page(msgspec.Struct, Generic[ItemT], frozen=True, kw_only=True):
    """A part of a list."""

    data: Sequence[ItemT]
    has_more: bool


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """Whether something was deleted."""

    success: bool
