"""What an endpoint at Unipile is to be like: what a new one is made of, what one there lacks.

Pure: options that were judged come in, fields that Unipile takes go out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.commands.unipile.wishes import (
    account_ids,
    checked_description,
    checked_url,
    event_names,
)
from relay.unipile import UnipileEndpoint
from relay.unipile.compare import differing


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEndpoint:
    """What was asked for; none where nothing was said.

    Args:
        url: Where deliveries go.
        events: Names of events, at least one.
        accounts: The accounts it is restricted to, at least one.
        description: The operator's words; empty for none.
        sends: Whether one that is there is to send; none for as it is.
    """

    url: str
    events: Sequence[str] | None = None
    accounts: Sequence[str] | None = None
    description: str | None = None
    sends: bool | None = None

    @classmethod
    def said(
        cls,
        url: str,
        *,
        events: Sequence[str] | None,
        accounts: Sequence[str] | None,
        description: str | None,
        sends: bool | None = None,
    ) -> "WantedEndpoint":
        """Judge what options say.

        Args:
            url: Where deliveries go.
            events: Names, and patterns in which ``*`` stands for any characters.
            accounts: Ids.
            description: The operator's words.
            sends: Whether one that is there is to send.

        Raises:
            CommandFailed: Something of it is sure to be wrong.
        """
        return cls(
            url=checked_url(url),
            events=event_names(events) if events else None,
            accounts=account_ids(accounts) if accounts else None,
            description=None if description is None else checked_description(description),
            sends=sends,
        )

    @property
    def new_events(self) -> Sequence[str]:
        """The types of a new one: all that are known, where none was named."""
        return event_names(()) if self.events is None else self.events

    @property
    def new_fields(self) -> dict[str, object]:
        """What a new one is made of; it sends from the start."""
        return {"url": self.url, **self._said, "trigger_events": self.new_events}

    def changes(self, there: UnipileEndpoint) -> dict[str, object]:
        """Give what one that is there lacks; nothing where it is as it is to be."""
        said = self._said if self.sends is None else {**self._said, "enabled": self.sends}
        changes = {name: said[name] for name in differing(there, said)}
        # Always said: what Unipile makes of an update without them is not documented.
        return {"account_ids": list(there.accounts), **changes} if changes else {}

    @property
    def _said(self) -> dict[str, object]:
        said: dict[str, object] = {
            "trigger_events": self.events,
            "account_ids": self.accounts,
            "description": self.description,
        }
        return {name: value for name, value in said.items() if value is not None}
