"""Events of Unipile for handlers: bodies as structs that keep what they do not know.

What comes in is an event; what goes out is its body with names and types. Nothing is refused here
and nothing is fetched. Nobody loads it who does not ask for it.
"""

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
    "is_own_message",
    "read",
]
