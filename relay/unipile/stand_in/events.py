"""Makes the events that are delivered, and remembers the last ones.

A type, an account and what a test wants to be otherwise come in; the exact bytes of a body go
out. It never delivers.

Source: https://developer.unipile.com/v2.0/reference/event-types-1.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from relay.contract.examples import example
from relay.unipile.stand_in.accounts import Account
from relay.unipile.stand_in.ids import new_id, time_text
from relay.unipile.stand_in.rules import MOST_EVENTS


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an account.

    Args:
        id: Begins with ``evt_``, unless a test wants another.
        type: Its type.
        account: The account's id.
        body: What every delivery of it carries, byte for byte.
    """

    id: str
    type: str
    account: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a test wants of an event.

    Args:
        payload: Instead of the example's.
        more: Further fields of the outermost object, or other values of those that are there.
        event_id: Instead of a new one.
    """

    payload: Mapping[str, Any] | None = None
    more: Mapping[str, Any] | None = None
    event_id: str | None = None


class Events:
    """The last events that were made."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque(maxlen=MOST_EVENTS)

    @property
    def all(self) -> list[Event]:
        """Give them, oldest first."""
        return list(self._kept)

    def make(
        self, event_type: str, account_id: str, account: Account | None, wanted: Wanted, at: float
    ) -> Event:
        """Make an event.

        Args:
            event_type: Any; one of Unipile's begins as its example.
            account_id: Whose.
            account: What is known of the account; none where it is not linked.
            wanted: What shall be otherwise.
            at: When, in Unix seconds.
        """
        document = json.loads(example("unipile", event_type, datetime.fromtimestamp(at, UTC)))
        document |= {"id": wanted.event_id or new_id("evt"), "created_at": time_text(at)}
        document |= {"account_id": account_id, "type": event_type} | _about(account)
        _name_account(document["payload"], account_id, account)
        if wanted.payload is not None:
            document["payload"] = wanted.payload
        document |= wanted.more or {}
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        # Half a pair of surrogates has no UTF-8; what this writes instead is its escape in JSON.
        body = text.encode("utf-8", "backslashreplace")
        made = Event(str(document["id"]), str(document["type"]), account_id, body)
        self._kept.append(made)
        return made


def _about(account: Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"account_provider": account.provider, "account_name": account.name}


def _name_account(payload: dict[str, Any], account_id: str, account: Account | None) -> None:
    """Have an example that describes an account describe this one."""
    described = payload.get("account")
    if isinstance(described, dict):
        described["id"] = account_id
        if account is not None:
            named = {"provider": account.provider, "name": account.name, "status": account.status}
            described.update(named)
