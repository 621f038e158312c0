"""Events of Unipile for handlers: bodies as structs that keep what they do not know.

What comes in is an event; what goes out is its body with names and types. Nothing is refused here
and nothing is fetched. Nobody loads it who does not ask for it. ``gaps`` is a worker of ours, which
watches accounts.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from consumers.calling.open_struct import OpenStruct, encode
from consumers.unipile.event import UnipileEvent, read
from consumers.unipile.known import KNOWN, Certainty, Known
from consumers.unipile.own import is_own_message
from consumers.unipile.shapes.accounts import Account, AccountNotice, AccountStatus, InitialSync
from consumers.unipile.shapes.calendars import (
    Attendee,
    Calendar,
    CalendarEvent,
    Conference,
    EventTime,
)
from consumers.unipile.shapes.mail import (
    Draft,
    DraftNotice,
    Email,
    EmailNew,
    EmailNotice,
    Folder,
    MailAddress,
    MailHeader,
    Tracking,
)
from consumers.unipile.shapes.messaging import (
    Attachment,
    Chat,
    LastMessage,
    Message,
    MessageDeleted,
    Participant,
    PartOfMessage,
    Reaction,
    ReactionCount,
    ReactionEvent,
    Receipt,
    Size,
)
from consumers.unipile.shapes.people import Follower, Relation, User

if TYPE_CHECKING:
    from consumers.unipile.account_gaps.worker import gaps

__all__ = [
    "KNOWN",
    "Account",
    "AccountNotice",
    "AccountStatus",
    "Attachment",
    "Attendee",
    "Calendar",
    "CalendarEvent",
    "Certainty",
    "Chat",
    "Conference",
    "Draft",
    "DraftNotice",
    "Email",
    "EmailNew",
    "EmailNotice",
    "EventTime",
    "Folder",
    "Follower",
    "InitialSync",
    "Known",
    "LastMessage",
    "MailAddress",
    "MailHeader",
    "Message",
    "MessageDeleted",
    "OpenStruct",
    "PartOfMessage",
    "Participant",
    "Reaction",
    "ReactionCount",
    "ReactionEvent",
    "Receipt",
    "Relation",
    "Size",
    "Tracking",
    "UnipileEvent",
    "User",
    "encode",
    "gaps",
    "is_own_message",
    "read",
]

# Imported when it is asked for: it brings what writes into the store along.
_HOMES = {"gaps": "consumers.unipile.account_gaps.worker"}


if not TYPE_CHECKING:  # there each name has its own type, and any other is a mistake

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
