"""Which event is being handled, for whatever is logged on the way.

Only noted for each run; what it says is looked up when a line is written.
"""

from collections.abc import MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from consumers.event import Event
from relay.contract.errors import UnreadableEntry
from relay.contract.printable import printable

running: ContextVar[Event | None] = ContextVar("running", default=None)


def add_running_event(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add to a log line which event it is about: a processor for structlog.

    What the line says itself stays as it is.
    """
    event = running.get()
    if event is not None:
        line.setdefault("event_id", printable(event.id))
        line.setdefault("event_type", printable(event.type))
        line.setdefault("attempt", event.attempt)
        # Nobody asked for the parts that may be unreadable, so a line must not fail for them.
        with suppress(UnreadableEntry):
            if event.account is not None:
                line.setdefault("account", printable(event.account))
    return line
