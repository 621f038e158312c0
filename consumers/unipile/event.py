"""An event's body in, the envelope of Unipile's version 2 out, with its payload as a struct.

A body that is nothing of the kind is no error here: what is wrong is said beside it.
"""

from typing import Any, Self

import msgspec

from consumers.calling.open_struct import OURS, OpenStruct
from consumers.event import Event
from consumers.unipile.known import KNOWN

NO_OBJECT = "the body is not a JSON object"


class UnipileEvent(OpenStruct, kw_only=True):
    """The body of an event of Unipile's.

    Args:
        id: As ``evt_…``; empty where the body has none.
        type: As ``message.new``; empty where the body has none, as in version 1.
        created_at: When Unipile made it, RFC 3339; up to seconds after it happened.
        account_id: As ``acc_…``.
        account_provider: As ``whatsapp``.
        account_name: The account's name, address or telephone number.
        application_id: As ``app_…``.
        application_production: Whether the application is more than a trial.
        state: What your application gave to the page where the account was linked.
        webhook_id: Of the endpoint, if it is told.
        payload: The struct that `consumers.unipile.KNOWN` has for the type. Plain JSON where the
            type is unknown, or the payload does not fit; the whole body where that is no object.
        fault: Why the payload is plain JSON although its type is known, or that there is no body
            to read. It names fields and types, and quotes nothing.

    Source: https://developer.unipile.com/v2.0/reference/event-types-1
    """

    id: str = ""
    type: str = ""
    created_at: str | None = None
    account_id: str | None = None
    account_provider: str | None = None
    account_name: str | None = None
    application_id: str | None = None
    application_production: bool | None = None
    state: str | None = None
    webhook_id: str | None = None
    payload: Any = None
    fault: str | None = msgspec.field(default=None, name=f"{OURS}fault")

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Make one of what a body was parsed to.

        Args:
            value: Plain JSON; it is not changed.

        Raises:
            msgspec.ValidationError: It is no object.
        """
        found = super().from_json(value)
        known = KNOWN.get(found.type)
        if known is None:
            return found
        try:
            payload = known.payload.from_json(found.payload)
        except msgspec.ValidationError as error:
            return msgspec.structs.replace(found, fault=f"the payload does not fit: {error}")
        return msgspec.structs.replace(found, payload=payload)

    def to_json(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Give the body as plain JSON: with all that came, and what was replaced since."""
        return self.payload if self.fault == NO_OBJECT else super().to_json()


def read(event: Event) -> UnipileEvent:
    """Read an event's body as Unipile's version 2.

    Whatever the body is, it is given: what does not fit stays plain JSON.

    Args:
        event: As the handler has it.

    Returns:
        The envelope. For a body that is no JSON it is empty, and its `fault` says so.
    """
    try:
        body = event.json()
    except (ValueError, RecursionError):
        return UnipileEvent(fault="the body is not JSON")
    if not isinstance(body, dict):
        return UnipileEvent(payload=body, fault=NO_OBJECT)
    return UnipileEvent.from_json(body)
