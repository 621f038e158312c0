"""Describes a stand-in in plain values, without the secrets of its endpoints."""

import msgspec

from relay.unipile.stand_in.accounts import Accounts
from relay.unipile.stand_in.courier import Books, Courier
from relay.unipile.stand_in.events import Events

NEWEST_EVENTS = 100


def state_of(
    accounts: Accounts, books: Books, events: Events, courier: Courier
) -> dict[str, object]:
    """Describe all of it.

    Returns:
        ``accounts``, ``endpoints`` with how many ``conversations`` each has, the newest 100
        ``events`` oldest first, the ``faults`` that wait, and how many deliveries are ``waiting``.
    """
    endpoints = []
    for each in books.endpoints.all.values():
        described = books.endpoints.answer(each)
        del described["secret"]
        endpoints.append(described | {"conversations": books.conversations.count(each.id)})
    newest = events.all[-NEWEST_EVENTS:]
    faults = [
        {"method": each.method, "path": each.pattern, "fault": str(each.fault), "times": each.times}
        for each in books.faults.waiting
    ]
    return {
        "accounts": [msgspec.structs.asdict(each) for each in accounts],
        "endpoints": endpoints,
        "events": [{"id": e.id, "type": e.type, "account": e.account} for e in newest],
        "faults": faults,
        "waiting": courier.waiting,
    }
