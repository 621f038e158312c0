"""Calendars and what stands in them."""

import msgspec

from consumers.calling.open_struct import OpenStruct
from consumers.unipile.shapes.mail import MailAddress


class Calendar(OpenStruct, kw_only=True):
    """A calendar: ``calendar.create``, ``.update``, ``.delete``. Nobody has described these events.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str | None = None
    name: str | None = None
    description: str | None = None
    is_read_only: bool | None = None
    is_owned_by_user: bool | None = None
    is_default: bool | None = None
    background_color: str | None = None
    text_color: str | None = None
    timezone: str | None = None


class Attendee(OpenStruct, kw_only=True):
    """Somebody who is invited.

    Args:
        email: Whose address it is.
        display_name: What people see.
        comment: What was answered in words.
        is_organizer: Whether it is who invites.
        is_optional: Whether it goes without them.
        is_resource: Whether it is a room or a thing.
        type: ``required``, ``optional`` or ``resource``.
        response_status: ``yes``, ``no``, ``maybe`` or ``noreply``.
    """

    email: str | None = None
    display_name: str | None = None
    comment: str | None = None
    is_organizer: bool | None = None
    is_optional: bool | None = None
    is_resource: bool | None = None
    type: str | None = None
    response_status: str | None = None


class EventTime(OpenStruct, kw_only=True):
    """When something begins or ends.

    Args:
        type: ``datetime`` or ``date``.
        date_time: Of the first, RFC 3339.
        date: Of the second, as ``2026-10-14``.
        time_zone: Where it is said.
    """

    type: str | None = None
    date_time: str | None = None
    date: str | None = None
    time_zone: str | None = None


class Conference(OpenStruct, kw_only=True):
    """Where people meet from afar."""

    provider: str | None = None
    url: str | None = None


class CalendarEvent(OpenStruct, kw_only=True):
    """What stands in a calendar: ``calendar.event.*``; of ``.delete`` the two ids only.

    Args:
        object: ``CalendarEvent``.
        id: What the API fetches it by.
        calendar_id: The calendar it is in.
        master_event_id: What it repeats.
        created_at: RFC 3339.
        updated_at: RFC 3339.
        title: What people see.
        body: More of it.
        location: Where it is.
        attendees: Who is invited.
        start: When it begins.
        end: When it ends.
        recurrence: How it repeats, lines of RFC 5545.
        organizer: Who invites.
        conference: Where people meet from afar.
        visibility: ``public`` or ``private``.
        transparency: ``opaque`` or ``transparent``.
        event_type: Mostly ``default``.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str
    calendar_id: str | None = None
    master_event_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    title: str | None = None
    body: str | None = None
    location: str | None = None
    is_cancelled: bool | None = None
    is_all_day: bool | None = None
    is_attendees_list_hidden: bool | None = None
    attendees: list[Attendee] = msgspec.field(default_factory=list)
    start: EventTime | None = None
    end: EventTime | None = None
    recurrence: list[str] = msgspec.field(default_factory=list)
    organizer: MailAddress | None = None
    conference: Conference | None = None
    visibility: str | None = None
    transparency: str | None = None
    event_type: str | None = None
    background_color: str | None = None
    text_color: str | None = None
