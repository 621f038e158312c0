"""Unipile's own REST interface, version 2: webhook endpoints and the log of what was delivered.

Wishes come in, what Unipile has goes out; what stands in its way is one `UnipileFailed`. It knows
nothing of the relay's endpoints, files or streams. The client itself is ``api``, apart from the
rest: few commands ask Unipile, and all would import what that takes.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook;
https://github.com/unipile/unipile-node.
"""

from relay.unipile.failures import (
    Away,
    KeyRefused,
    NoId,
    NotPermitted,
    NotThere,
    Refused,
    TooMany,
    UnipileFailed,
    Unreadable,
)
from relay.unipile.patience import Patience
from relay.unipile.shapes import AccountTarget, Conversation, UnipileEndpoint

__all__ = [
    "AccountTarget",
    "Away",
    "Conversation",
    "KeyRefused",
    "NoId",
    "NotPermitted",
    "NotThere",
    "Patience",
    "Refused",
    "TooMany",
    "UnipileEndpoint",
    "UnipileFailed",
    "Unreadable",
]
