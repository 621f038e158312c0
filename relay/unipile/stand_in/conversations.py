"""The log of delivery attempts: one row for each, newest first, and a bound for each endpoint.

Source: https://developer.unipile.com/v2.0/docs/webhooks-introduction;
https://github.com/unipile/unipile-python, the model of a webhook conversation.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter

import msgspec

from relay.unipile.stand_in.ids import new_id
from relay.unipile.stand_in.rules import MOST_CONVERSATIONS


class Conversation(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="object",
    tag="WebhookConversation",
):
    """One attempt to deliver an event.

    Args:
        id: Begins with ``wc_``.
        endpoint_id: Whose.
        event_id: The same for every attempt of an event.
        event_type: Its type.
        first_attempt: Whether it is no retry.
        created_at: When it was made.
        http_status: What was answered; none where nothing was.
        endpoint_url: Where it went.
        response_body: The beginning of the answer.
    """

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    first_attempt: bool = True
    created_at: str
    http_status: int | None = None
    endpoint_url: str
    response_body: str | None = None


class Conversations:
    """The rows of every endpoint; where there are too many the oldest are dropped."""

    def __init__(self) -> None:
        # Oldest first, so that a new one is cheap.
        self._rows: dict[str, list[Conversation]] = {}

    def add(self, row: Conversation) -> None:
        """Add an attempt that was made just now."""
        rows = self._rows.setdefault(row.endpoint_id, [])
        rows.append(row)
        if len(rows) > MOST_CONVERSATIONS:
            del rows[: len(rows) - MOST_CONVERSATIONS]

    def plant(self, usual: Mapping[str, object], rows: Iterable[Mapping[str, object]]) -> int:
        """Add attempts that were never made, at the times they say.

        Args:
            usual: What a row says that does not say it itself; ``endpoint_id`` is in it.
            rows: Fields by name.

        Returns:
            How many.

        Raises:
            ValueError: A row has a field that there is not, or of another kind.
        """
        made = [_made(usual, row, number) for number, row in enumerate(rows)]
        kept = self._rows.setdefault(str(usual["endpoint_id"]), [])
        kept += made
        kept.sort(key=attrgetter("created_at"))
        del kept[: max(0, len(kept) - MOST_CONVERSATIONS)]
        return len(made)

    def forget(self, endpoint_id: str) -> None:
        """Drop the rows of an endpoint."""
        self._rows.pop(endpoint_id, None)

    def of(self, endpoint_id: str, event_id: str | None = None) -> list[Conversation]:
        """Give an endpoint's rows, newest first.

        Args:
            endpoint_id: Whose.
            event_id: Only those of one event.
        """
        rows = self._rows.get(endpoint_id, [])
        if event_id is not None:
            rows = [row for row in rows if row.event_id == event_id]
        return rows[::-1]

    def count(self, endpoint_id: str) -> int:
        """Say how many rows an endpoint has."""
        return len(self._rows.get(endpoint_id, ()))


def _made(usual: Mapping[str, object], row: Mapping[str, object], number: int) -> Conversation:
    made_up = {"object": "WebhookConversation", "id": new_id("wc"), "event_id": new_id("evt")}
    fields = {**made_up, **usual, **row}
    try:
        return msgspec.convert(fields, Conversation)
    except msgspec.ValidationError as fault:
        raise ValueError(f"conversation {number}: {fault}") from None
