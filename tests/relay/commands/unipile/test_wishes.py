"""What an endpoint at Unipile is to be like: names from patterns, and what is sure to be wrong."""

import pytest

from relay.commands.unipile.wishes import checked_description, checked_url, event_names
from relay.contract.explain import CommandFailed
from relay.unipile.event_names import KNOWN


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ((), list(KNOWN)),
        (("message.new", "message.new"), ["message.new"]),
        (("chat.*",), ["chat.delete", "chat.update"]),
        (("*.open", "tracking.*"), ["tracking.open", "tracking.click"]),
        (("story.new", "message.new"), ["story.new", "message.new"]),
        (("*",), list(KNOWN)),
    ],
)
def test_names_are_found(given: tuple[str, ...], meant: list[str]) -> None:
    """Each once; one that is not known here is for Unipile to judge."""
    assert event_names(given) == meant


@pytest.mark.parametrize("given", ["nothing.*", "", "messageXnew*"])
def test_what_means_nothing_is_refused(given: str) -> None:
    """A dot is a dot, and no pattern registers for nothing."""
    with pytest.raises(CommandFailed):
        event_names([given])


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com",
        "ftp://hooks.example.com",
        "https://",
        "https://[::1",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com/#there",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\u202e",
        "https://hooks.example.com/" + 230 * "x",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """Before Unipile is asked."""
    with pytest.raises(CommandFailed):
        checked_url(url)


@pytest.mark.parametrize("length", [0, 255])
def test_what_unipile_takes_is_taken(length: int) -> None:
    """Up to the last character."""
    url = "https://hooks.example.com/".ljust(255, "x")

    assert checked_url(url) == url
    assert checked_url("http://192.0.2.1:8080/webhooks/unipile?a=b")
    assert checked_description(length * "x") == length * "x"


def test_a_long_description_is_refused() -> None:
    """With how long it may be."""
    with pytest.raises(CommandFailed, match="255 at most"):
        checked_description(256 * "x")
