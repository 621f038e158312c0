"""Linked accounts and how they are."""

from typing import Any

from consumers.calling.open_struct import OpenStruct


class InitialSync(OpenStruct, kw_only=True):
    """How far the first look at the provider has come.

    Args:
        status: ``pending``, ``running``, ``failed`` or ``completed``.
        started_at: RFC 3339.
    """

    status: str | None = None
    started_at: str | None = None


class Account(OpenStruct, kw_only=True):
    """A linked account.

    Args:
        object: ``Account``.
        id: As ``acc_…``.
        application_id: As ``app_…``.
        user_id: Of the owner at the provider.
        name: A name, an address or a telephone number.
        created_at: RFC 3339.
        status: ``running``, ``errored``, ``disconnected``, ``paused``, ``degraded``, ``partial``.
        provider: As ``whatsapp``.
        oauth_scope: What the owner has agreed to.
        metadata: As ``v1_account_id``, the account's id in version 1.
        initial_sync: How far the first look has come.
        proxy: By which way the provider is reached.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str
    application_id: str | None = None
    user_id: str | None = None
    name: str | None = None
    created_at: str | None = None
    status: str | None = None
    provider: str | None = None
    oauth_scope: Any = None
    metadata: dict[str, Any] | None = None
    initial_sync: InitialSync | None = None
    proxy: Any = None


class AccountStatus(OpenStruct, kw_only=True):
    """An account works, or does not: ``account.status.*``.

    Args:
        timestamp: Since when, RFC 3339.
        product: Of ``disconnected``: which of the provider's products, where it has several.
        reason: Of ``errored``: ``unipile``, ``proxy`` or ``provider``.

    Source: https://developer.unipile.com/v2.0/reference/event-types-1
    """

    object: str | None = None
    timestamp: str | None = None
    product: str | None = None
    reason: str | None = None


class AccountNotice(OpenStruct, kw_only=True):
    """An account came, went or was looked through; ``.remove`` and the locks say nothing more.

    Args:
        account: The account.
        state: What your application gave to the page where the account was linked.
    """

    object: str | None = None
    account: Account | None = None
    state: str | None = None
