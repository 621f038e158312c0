"""Unipile, API version 2: one JSON event per delivery, signed with its timestamp.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook,
https://developer.unipile.com/v2.0/reference/event-types-1
"""

from relay.endpoint import Provider, TimestampedHmac

UNIPILE = Provider(
    name="unipile",
    scheme=TimestampedHmac(header="unipile-signature", version="v0"),
    id_key="id",
    type_key="type",
    account_key="account_id",
    time_key="created_at",
)
