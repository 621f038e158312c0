"""For which type of event the second endpoint of a rotation is made."""

import pytest

from relay.commands.unipile.rotate.standing import seldom


@pytest.mark.parametrize(
    ("events", "meant"),
    [
        (("message.new", "account.locked", "calendar.create"), "account.locked"),
        (("message.new", "chat.update"), "chat.update"),
        (("message.new",), "calendar.delete"),
        (("calendar.delete",), "calendar.create"),
        (("message.new", "account.status.paused"), "calendar.delete"),
        (("account.status.paused",), "calendar.delete"),
    ],
)
def test_it_is_one_that_hardly_ever_happens(events: tuple[str, ...], meant: str) -> None:
    """One of its own where it has several, and none that was withdrawn."""
    assert seldom(events) == meant
