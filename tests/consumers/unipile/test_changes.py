"""What an event says of an account."""

from typing import Any

import pytest

from consumers.unipile.account_gaps.changes import DOWN, Change, change_of
from tests.consumers.unipile.accounts_model import Told, moment
from tests.consumers.unipile.watching import given

TOLD = Told("acc_1", 60, "disconnected", "recruiter")
RECEIVED, SENT, HAPPENED = moment(60.7), moment(60.3), moment(60)


def change(**changes: Any) -> Change:
    """Read an event that is complete but for what is changed."""
    found = change_of(given(TOLD.event(**changes)))
    assert found is not None
    return found


def test_the_payload_says_when_and_of_which_product() -> None:
    """The time of what happened, not that of the event or of its coming."""
    wanted = Change("acc_1", HAPPENED, moment(60 - 7 * 86_400), "down", "disconnected", "recruiter")

    assert change() == wanted


@pytest.mark.parametrize(
    ("status", "kind"),
    [("running", "up"), *((each, "down") for each in sorted(DOWN)), ("connecting", "other")],
)
def test_the_type_says_the_status(status: str, kind: str) -> None:
    """One that is not known is kept, and means nothing for gaps."""
    found = change(type=f"account.status.{status}")

    assert (found.status, found.kind) == (status, kind)
    # It names none, and all of them are back.
    assert found.product == (None if kind == "up" else "recruiter")


def test_a_removal_is_a_status() -> None:
    """It opens and closes nothing."""
    found = change(type="account.remove")

    assert (found.status, found.kind) == ("removed", "other")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no JSON",
        b"[" * 10_000,
        b"[]",
        b'"payload"',
        b'{"payload": null}',
        b'{"payload": {"timestamp": 17, "product": ["a"]}}',
        b'{"payload": {"timestamp": "yesterday", "product": ""}}',
        b'{"payload": {"timestamp": "0001-01-01T00:00:00+14:00"}}',
        b'{"payload": {"timestamp": "0001-01-01T00:00:00Z"}}',
        b'{"payload": {"timestamp": "1970-01-01T00:00:00.000Z"}}',
        b'{"payload": {"timestamp": "9999-01-01T00:00:00Z"}}',
        b'{"AccountStatus": {"account_id": "a", "account_type": "LINKEDIN", "message": "ERROR"}}',
    ],
)
def test_a_body_that_says_nothing_leaves_what_stands_beside_it(data: bytes) -> None:
    """Type and account are the entry's, and the time is the event's own."""
    found = change(data=data)

    assert (found.account, found.at, found.status) == ("acc_1", SENT, "disconnected")
    assert found.product is None


@pytest.mark.parametrize("time", [None, "yesterday", "9999-01-01T00:00:00Z"])
def test_without_a_time_it_was_when_it_came(time: str | None) -> None:
    """As with version 1, whose statuses have none; and what has not happened yet is no time."""
    assert change(data=b"{}", time=time).at == RECEIVED


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-10-12T11:01:00+02:00", moment(60)),
        ("2026-10-12t09:01:00.123456z", moment(60.123)),
        ("2026-10-12T09:01:00", moment(60)),
        # A clock that is a little ahead, and one that is too much so.
        ("2026-10-12T09:06:00Z", moment(6 * 60)),
        ("2026-10-12T09:06:01Z", SENT),
    ],
)
def test_times_are_compared_in_one_form(text: str, at: str) -> None:
    """In UTC, to the ms."""
    body = b'{"payload": {"timestamp": "%s"}}' % text.encode()

    assert change(data=body).at == at


def test_a_product_is_bounded_and_can_be_written() -> None:
    """Half of a character is JSON, and no UTF-8."""
    assert change(data=b'{"payload": {"product": "a\\ud800"}}').product == "a?"
    long = b'{"payload": {"product": "%s"}}' % (b"p" * 1000)
    assert len(change(data=long).product or "") == 64


def test_nothing_came_after_it_was_stored() -> None:
    """The clock of a gateway that is ahead would end a gap before it has ended."""
    ahead = TOLD.event(
        data=b"{}", time=None, received_at_ms=TOLD.event().received_at_ms + 3_600_000
    )
    found = change_of(given(ahead, stored_at_ms=TOLD.event().received_at_ms))

    assert found is not None
    assert found.at == RECEIVED


def test_an_entry_whose_time_is_none_is_of_the_latest() -> None:
    """Nobody is served by a worker that fails at it for ever."""
    assert change(data=b"{}", time=None, received_at_ms=10**18).at.startswith("9999-")


@pytest.mark.parametrize("account", [None, ""])
def test_nobodys_status_is_no_change(account: str | None) -> None:
    """There is no book to write it into."""
    assert change_of(given(TOLD.event(account=account))) is None
