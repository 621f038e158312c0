"""An event in, whether the account's owner did it out: what an automatic answer must ask first.

Unipile tells of what was sent as well as of what was received.
"""

import re
from typing import Any

from consumers.event import Event
from consumers.unipile.event import UnipileEvent

# Version 1 says it by the name.
_MAILS = {"mail_sent": True, "mail_received": False}
# Alone, or in angle brackets behind a name.
_ADDRESS = re.compile(r"(?:[^<>@]*(<))?(?P<address>[^\s<>@,;]+@[^\s<>@,;]+)(?(1)>)")


def is_own_message(event: Event | UnipileEvent) -> bool | None:
    """Tell whether the account's owner sent a message, a reaction or a mail, on whatever device.

    A mail of version 2 has no mark of its own: its sender's address is compared with the account's
    name. So one that the owner sent from another address counts as not theirs.

    Args:
        event: As the handler has it, or what `consumers.unipile.read` made of it; of either
            version. Its body may be anything.

    Returns:
        None where it cannot be told: the event is about something else, or does not say.

    Source: https://developer.unipile.com/docs/new-messages-webhook,
    https://developer.unipile.com/docs/new-emails-webhook
    """
    body = event.to_json() if isinstance(event, UnipileEvent) else _body_of(event)
    kind = _at(body, "type")
    if isinstance(kind, str):
        return _by_version_2(kind, body)
    name = _at(body, "event")
    if name is None and isinstance(event, Event):
        # Of a body that is a form the gateway has read the name.
        name = event.stored.original_type or event.type
    return _by_version_1(name, body)


def _body_of(event: Event) -> Any:  # noqa: ANN401 - JSON has no narrower type
    try:
        return event.json()
    except (ValueError, RecursionError):
        return None


def _by_version_2(kind: str, body: Any) -> bool | None:  # noqa: ANN401 - any JSON
    if kind == "email.new":
        return _is_same(
            _at(body, "payload", "email", "from", 0, "email"), _at(body, "account_name")
        )
    if kind.startswith("message.reaction."):
        return _flag(_at(body, "payload", "reaction", "is_sender"))
    if kind.startswith("message."):
        return _flag(_at(body, "payload", "is_sender"))
    return None


def _by_version_1(name: Any, body: Any) -> bool | None:  # noqa: ANN401 - any JSON
    if not isinstance(name, str):
        return None
    if name in _MAILS:
        return _MAILS[name]
    who = {"message_received": "sender", "message_reaction": "reaction_sender"}.get(name)
    return None if who is None else _is_owner(_at(body, who), _at(body, "account_info"))


def _is_owner(sender: object, owner: object) -> bool | None:
    theirs, ours = _at(sender, "attendee_provider_id"), _at(owner, "user_id")
    if not isinstance(theirs, str) or not isinstance(ours, str) or not theirs or not ours:
        return None
    # Ids of WhatsApp are of several kinds, told by what stands behind the @: one person has both.
    if theirs.partition("@")[2] != ours.partition("@")[2]:
        return None
    return theirs == ours


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _is_same(address: object, name: object) -> bool | None:
    if not isinstance(address, str) or not isinstance(name, str):
        return None
    ours, theirs = (_ADDRESS.fullmatch(text.strip().casefold()) for text in (name, address))
    # An account may be called by its owner's name instead.
    return None if ours is None or theirs is None else ours["address"] == theirs["address"]


def _at(value: Any, *path: str | int | None) -> Any:  # noqa: ANN401 - any JSON
    """Give what stands at a place, or none where there is no such place."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value
