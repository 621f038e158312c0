"""Messages, what happens to them, and the chats they are in."""

from typing import Any

import msgspec

from consumers.calling.open_struct import OpenStruct
from consumers.unipile.shapes.people import User


class Size(OpenStruct, kw_only=True):
    """How large a picture or a film is, in pixels."""

    width: float | int | None = None
    height: float | int | None = None


class Attachment(OpenStruct, kw_only=True):
    """A file with a message or a mail.

    Args:
        object: ``Attachment``.
        id: What the API fetches it by.
        type: ``img``, ``video``, ``audio``, ``file`` or ``shared_content``.
        mimetype: As ``image/jpeg``.
        url: Where it is now.
        url_expires_at: Until when that holds, RFC 3339.
        file_size: In bytes.
        is_unavailable: The provider has it no more.
        content: The file itself, where it came along.
        size: Of pictures and films.
        sticker: Whether a picture is one.
        gif: Whether a film is one.
        duration: Of sounds and films, in seconds.
        voice_note: Whether a sound is one.
        filename: As its sender named it.
        media_type: Of what was shared: ``post``, ``story``, ``url`` or ``reel``.
        author: Of what was shared.
        description: Of what was shared.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str | None = None
    type: str | None = None
    mimetype: str | None = None
    url: str | None = None
    url_expires_at: str | None = None
    file_size: int | float | None = None
    is_unavailable: bool | None = None
    content: str | None = None
    size: Size | None = None
    sticker: bool | None = None
    gif: bool | None = None
    duration: int | float | None = None
    voice_note: bool | None = None
    filename: str | None = None
    media_type: str | None = None
    author: Any = None
    description: str | None = None


class ReactionCount(OpenStruct, kw_only=True):
    """How many have reacted to a message in one way."""

    reaction: str | None = None
    count: int | float | None = None


class PartOfMessage(OpenStruct, kw_only=True):
    """A message that another one quotes or forwards; it has some of a message's fields."""

    object: str | None = None
    id: str | None = None
    text: str | None = None
    sender_id: str | None = None
    chat_id: str | None = None
    timestamp: str | None = None
    is_sender: bool | None = None
    sender: User | None = None
    provider: str | None = None
    attachments: list[Attachment] = msgspec.field(default_factory=list)


class Message(OpenStruct, kw_only=True):
    """A message, sent or received: ``message.new``, ``message.update``.

    Args:
        object: ``Message``.
        id: The provider's own id, unique within an account only.
        chat_id: The chat it is in.
        text: What it says.
        sender_id: Who sent it.
        timestamp: When, RFC 3339.
        is_sender: Whether the account's owner sent it, here or on another device.
        is_hidden: Not shown to people.
        is_seen: The other side has read it.
        is_delivered: It has reached the other side.
        is_deleted: Its sender took it back.
        is_edited: It is not as it was sent.
        is_pinned: It is kept at the top of the chat.
        is_event: It is the chat that speaks, such as of somebody who has joined.
        is_mentionned: The owner is mentioned in it; the sender spells it so.
        event_type: What the chat says: 0 to 16, as 3 for somebody added.
        event_metadata: More of that.
        reactions_counter: How many have reacted, by kind.
        sender: Who sent it, with a name.
        provider: As ``whatsapp``.
        attachments: Files with it.
        quoted: What it answers.
        forwarded: What it passes on.
        specifics: What only this provider has, as a subject.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str
    chat_id: str
    text: str | None = None
    sender_id: str | None = None
    timestamp: str | None = None
    is_sender: bool | None = None
    is_hidden: bool | None = None
    is_seen: bool | None = None
    is_delivered: bool | None = None
    is_deleted: bool | None = None
    is_edited: bool | None = None
    is_pinned: bool | None = None
    is_event: bool | None = None
    is_mentionned: bool | None = None
    event_type: int | float | None = None
    event_metadata: dict[str, Any] | None = None
    reactions_counter: list[ReactionCount] = msgspec.field(default_factory=list)
    sender: User | None = None
    provider: str | None = None
    attachments: list[Attachment] = msgspec.field(default_factory=list)
    quoted: PartOfMessage | None = None
    forwarded: PartOfMessage | None = None
    specifics: dict[str, Any] | None = None


class MessageDeleted(OpenStruct, kw_only=True):
    """A message is gone: ``message.delete``."""

    object: str | None = None
    id: str | None = None
    chat_id: str | None = None


class Receipt(OpenStruct, kw_only=True):
    """A message has arrived, or was read: ``message.receipt.*``. It holds ids only.

    Args:
        message_id: Which message.
        chat_id: The chat it is in.
        timestamp: When, RFC 3339.
        user_id: Who has read it, if that is told.
    """

    object: str | None = None
    message_id: str | None = None
    chat_id: str | None = None
    timestamp: str | None = None
    user_id: str | None = None


class Reaction(OpenStruct, kw_only=True):
    """What somebody answers to a message with one sign.

    Args:
        object: ``Reaction``.
        value: An emoji, mostly.
        sender: Who reacts.
        is_sender: Whether that is the account's owner.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    value: str | None = None
    sender: User | None = None
    is_sender: bool | None = None


class ReactionEvent(OpenStruct, kw_only=True):
    """A reaction came or went: ``message.reaction.*``.

    Args:
        message_id: What was reacted to.
        chat_id: The chat it is in.
        reaction: The reaction.
    """

    object: str | None = None
    message_id: str | None = None
    chat_id: str | None = None
    reaction: Reaction | None = None


class Participant(OpenStruct, kw_only=True):
    """Somebody in a chat."""

    user: User | None = None
    is_self: bool | None = None
    is_admin: bool | None = None


class LastMessage(OpenStruct, kw_only=True):
    """What was said last in a chat."""

    text: str | None = None
    sender_display_name: str | None = None
    is_sender: bool | None = None


class Chat(OpenStruct, kw_only=True):
    """A chat: ``chat.update``, and with its id only ``chat.delete``.

    Args:
        object: ``Chat``.
        id: The provider's own id, unique within an account only.
        name: Of the chat, or of who it is with.
        label: What the provider has put on it.
        description: Of a group.
        image_url: Of a group.
        created_at: RFC 3339, as all times here.
        updated_at: When it last changed.
        last_message_timestamp: When something was last said.
        muted_until: Until when it makes no noise; none where it does.
        creator_id: Who began it.
        user_id: Who it is with.
        type: ``group``, ``1to1`` or ``channel``.
        folders: Where it is filed.
        participants_count: How many are in it.
        participants: Who is in it.
        unread_count: How many messages; -1 where it was marked as unread by hand.
        restrictions: What may not be done in it.
        last_message: What was said last.
        user: Who it is with, with a name.
        provider: As ``whatsapp``.
        specifics: What only this provider has.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str
    name: str | None = None
    label: str | None = None
    description: str | None = None
    image_url: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_message_timestamp: str | None = None
    muted_until: str | None = None
    creator_id: str | None = None
    user_id: str | None = None
    type: str | None = None
    is_group: bool | None = None
    is_1to1: bool | None = None
    is_channel: bool | None = None
    is_pinned: bool | None = None
    is_readonly: bool | None = None
    is_archived: bool | None = None
    folders: list[str] = msgspec.field(default_factory=list)
    participants_count: int | float | None = None
    participants: list[Participant] = msgspec.field(default_factory=list)
    unread_count: int | float | None = None
    restrictions: Any = None
    last_message: LastMessage | None = None
    user: User | None = None
    provider: str | None = None
    specifics: dict[str, Any] | None = None
