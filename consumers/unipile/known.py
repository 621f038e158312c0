"""The event types whose payload has a struct, and how well each is known.

Names come and go while version 2 is in beta: a type that is not here is no fault.

Source: https://developer.unipile.com/v2.0/reference/event-types-1 and the names in
https://github.com/unipile/unipile-node
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from consumers.calling.open_struct import OpenStruct
from consumers.unipile.shapes.accounts import AccountNotice, AccountStatus
from consumers.unipile.shapes.calendars import Calendar, CalendarEvent
from consumers.unipile.shapes.mail import DraftNotice, EmailNew, EmailNotice, Folder, Tracking
from consumers.unipile.shapes.messaging import (
    Chat,
    Message,
    MessageDeleted,
    ReactionEvent,
    Receipt,
)
from consumers.unipile.shapes.people import Follower, Relation

# By Unipile itself; by several who receive it; by one who does; by nobody.
Certainty = Literal["described", "seen", "reported", "guessed"]


class Known(NamedTuple):
    """What is known of a type's payload.

    Args:
        payload: The struct.
        certainty: Who says that it looks so.
    """

    payload: type[OpenStruct]
    certainty: Certainty


KNOWN: Mapping[str, Known] = {
    "account.add": Known(AccountNotice, "seen"),
    "account.initial_sync.completed": Known(AccountNotice, "guessed"),
    "account.initial_sync.failed": Known(AccountNotice, "guessed"),
    "account.initial_sync.running": Known(AccountNotice, "guessed"),
    "account.locked": Known(AccountNotice, "reported"),
    "account.reconnect": Known(AccountNotice, "seen"),
    "account.remove": Known(AccountNotice, "reported"),
    "account.status.degraded": Known(AccountStatus, "reported"),
    "account.status.disconnected": Known(AccountStatus, "described"),
    "account.status.errored": Known(AccountStatus, "described"),
    "account.status.partial": Known(AccountStatus, "reported"),
    "account.status.paused": Known(AccountStatus, "guessed"),
    "account.status.running": Known(AccountStatus, "described"),
    "account.unlocked": Known(AccountNotice, "reported"),
    "calendar.create": Known(Calendar, "guessed"),
    "calendar.delete": Known(Calendar, "guessed"),
    "calendar.event.delete": Known(CalendarEvent, "reported"),
    "calendar.event.new": Known(CalendarEvent, "reported"),
    "calendar.event.update": Known(CalendarEvent, "described"),
    "calendar.update": Known(Calendar, "guessed"),
    "chat.delete": Known(Chat, "guessed"),
    "chat.update": Known(Chat, "reported"),
    "email.delete": Known(EmailNotice, "reported"),
    "email.draft.delete": Known(DraftNotice, "guessed"),
    "email.draft.new": Known(DraftNotice, "guessed"),
    "email.folder.create": Known(Folder, "guessed"),
    "email.folder.delete": Known(Folder, "guessed"),
    "email.folder.update": Known(Folder, "guessed"),
    "email.new": Known(EmailNew, "seen"),
    "email.new.bounce": Known(EmailNotice, "reported"),
    "follower.new": Known(Follower, "guessed"),
    "message.delete": Known(MessageDeleted, "reported"),
    "message.new": Known(Message, "described"),
    "message.reaction.delete": Known(ReactionEvent, "guessed"),
    "message.reaction.new": Known(ReactionEvent, "reported"),
    "message.receipt.delivery": Known(Receipt, "reported"),
    "message.receipt.read": Known(Receipt, "reported"),
    "message.update": Known(Message, "reported"),
    "relation.new": Known(Relation, "seen"),
    "relation.request.accept": Known(Relation, "reported"),
    "tracking.click": Known(Tracking, "guessed"),
    "tracking.open": Known(Tracking, "guessed"),
}
