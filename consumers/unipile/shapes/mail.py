"""Mails, drafts, folders, and what recipients do with a tracked mail."""

import msgspec

from consumers.calling.open_struct import OpenStruct
from consumers.unipile.shapes.messaging import Attachment


class MailAddress(OpenStruct, kw_only=True):
    """An address, perhaps with a name."""

    email: str | None = None
    display_name: str | None = None


class MailHeader(OpenStruct, kw_only=True):
    """A header of a mail, not decoded; one name may come several times."""

    name: str | None = None
    value: str | None = None


class Draft(OpenStruct, kw_only=True):
    """A mail that is not sent yet.

    Args:
        object: ``Email`` or ``Draft``.
        id: What the API fetches it by.
        thread_id: The conversation it belongs to.
        subject: As it is written.
        snippet: The first words.
        body: HTML.
        from_: Who writes; a list, in JSON it is called ``from``.
        to: Who it is for.
        cc: Who else reads it.
        bcc: Who else reads it unseen.
        reply_to: Where answers go.
        attachments: Files with it.
        folders: Ids of folders, or of labels.
        categories: Of Outlook.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str | None = None
    thread_id: str | None = None
    subject: str | None = None
    snippet: str | None = None
    body: str | None = None
    from_: list[MailAddress] = msgspec.field(default_factory=list, name="from")
    to: list[MailAddress] = msgspec.field(default_factory=list)
    cc: list[MailAddress] = msgspec.field(default_factory=list)
    bcc: list[MailAddress] = msgspec.field(default_factory=list)
    reply_to: list[MailAddress] = msgspec.field(default_factory=list)
    attachments: list[Attachment] = msgspec.field(default_factory=list)
    folders: list[str] = msgspec.field(default_factory=list)
    categories: list[str] = msgspec.field(default_factory=list)


class Email(Draft, kw_only=True):
    """A mail, sent or received: all that a draft has, and more.

    Args:
        id: What the API fetches it by.
        message_id: Its Message-ID, the same for everyone who has it.
        headers: As they came.
        date: When it was sent, RFC 3339.
        is_unread: Whether nobody has opened it.

    Source: https://github.com/unipile/unipile-python
    """

    id: str
    message_id: str | None = None
    headers: list[MailHeader] = msgspec.field(default_factory=list)
    date: str | None = None
    is_unread: bool | None = None


class EmailNew(OpenStruct, kw_only=True):
    """A mail has appeared in a folder: ``email.new``.

    Args:
        email: The mail.
        folder_id: Where.
    """

    object: str | None = None
    email: Email
    folder_id: str | None = None


class EmailNotice(OpenStruct, kw_only=True):
    """Something about a mail: ``email.new.bounce``, and with its id only ``email.delete``.

    Args:
        email: The mail.
        folder_id: Where.
    """

    object: str | None = None
    email: Email | None = None
    folder_id: str | None = None


class DraftNotice(Draft, kw_only=True):
    """A draft came or went: ``email.draft.*``. Nobody has described it.

    Args:
        email: The draft, where it is not the payload itself.
        folder_id: Where.
    """

    email: Draft | None = None
    folder_id: str | None = None


class Folder(OpenStruct, kw_only=True):
    """A folder or a label: ``email.folder.*``. Nobody has described these events.

    Args:
        id: What the API fetches it by.
        name: What people see.
        role: As ``inbox``.
        total_count: How many mails are in it.
        unread_count: How many of them nobody has opened.
        background_color: Of Gmail.
        text_color: Of Gmail.
        is_system: Of Gmail: whether it is one of Gmail's own.
        parent_id: Of Outlook.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str | None = None
    name: str | None = None
    role: str | None = None
    total_count: int | float | None = None
    unread_count: int | float | None = None
    background_color: str | None = None
    text_color: str | None = None
    is_system: bool | None = None
    parent_id: str | None = None


class Tracking(OpenStruct, kw_only=True):
    """A recipient opened a mail, or a link in it: ``tracking.open``, ``tracking.click``.

    Only the label is described; the others are what version 1 says.

    Args:
        label: What was given when the mail was sent.
        tracking_id: Of the mail's tracking.
        email_id: What the API fetches the mail by.
        date: When, RFC 3339.
        ip: Of the recipient, or of a proxy between.
        user_agent: Of the recipient's program.
        url: The link, of ``tracking.click``.
        custom_domain: Where the link led first.

    Source: https://developer.unipile.com/v2.0/docs/track-email-clicks-opens
    """

    object: str | None = None
    label: str | None = None
    tracking_id: str | None = None
    email_id: str | None = None
    date: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    url: str | None = None
    custom_domain: str | None = None
