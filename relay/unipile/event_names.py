"""Which event names an endpoint can be registered for, as far as they are known.

New ones may come at any time, and some have gone: a name that is not here is sent to Unipile all
the same, and it says itself what it does not take.

Source: https://github.com/unipile/unipile-node;
https://developer.unipile.com/v2.0/reference/event-types-1.
"""

KNOWN = (
    "account.add",
    "account.initial_sync.completed",
    "account.initial_sync.failed",
    "account.initial_sync.running",
    "account.locked",
    "account.reconnect",
    "account.remove",
    "account.status.degraded",
    "account.status.disconnected",
    "account.status.errored",
    "account.status.partial",
    "account.status.running",
    "account.unlocked",
    "calendar.create",
    "calendar.delete",
    "calendar.event.delete",
    "calendar.event.new",
    "calendar.event.update",
    "calendar.update",
    "chat.delete",
    "chat.update",
    "email.delete",
    "email.draft.delete",
    "email.draft.new",
    "email.folder.create",
    "email.folder.delete",
    "email.folder.update",
    "email.new",
    "email.new.bounce",
    "follower.new",
    "message.delete",
    "message.new",
    "message.reaction.delete",
    "message.reaction.new",
    "message.receipt.delivery",
    "message.receipt.read",
    "message.update",
    "relation.new",
    "tracking.click",
    "tracking.open",
)
# Once known, and refused by newer versions of the interface.
WITHDRAWN = ("account.status.paused", "relation.request.accept")
