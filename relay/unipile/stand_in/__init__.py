"""A stand-in for the webhooks of Unipile's API version 2, for tests.

Requests of its API and events from a test come in; signed deliveries to the registered URLs go
out, tried again on a schedule, and a log of every attempt. It is the sender's side and knows
nothing of how deliveries are verified, so that it is an independent check of that. It never leaves
this machine but to deliver, and keeps nothing when it ends.

What Unipile does not document, and this had to decide, says so as a comment that begins with
Assumption; docs/reference/unipile-stand-in.md lists them.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook;
https://github.com/unipile/unipile-python, docs/WebhooksApi.md.
"""

from relay.unipile.stand_in.accounts import Account
from relay.unipile.stand_in.conversations import Conversation
from relay.unipile.stand_in.endpoints import Endpoint
from relay.unipile.stand_in.events import Event
from relay.unipile.stand_in.faults import Fault
from relay.unipile.stand_in.rules import KNOWN_TYPES, WITHDRAWN_TYPES, Rules
from relay.unipile.stand_in.stand_in import StandIn

__all__ = [
    "KNOWN_TYPES",
    "WITHDRAWN_TYPES",
    "Account",
    "Conversation",
    "Endpoint",
    "Event",
    "Fault",
    "Rules",
    "StandIn",
]
