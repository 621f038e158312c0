"""The reference page of the presets is what its generator writes, and that tells the truth."""

import re
from pathlib import Path

import pytest

from relay.commands.providers.page import page
from relay.commands.providers.rows import rows_of
from relay.contract.examples import Example
from relay.identify import identify
from relay.provider import Provider
from relay.providers import PROVIDERS
from relay.proving.sender import SECRET_BYTES, Sender, Sent, make_sender, receive
from relay.scheme import Signature
from relay.verify import verify
from tests.making import NOW

PAGE = Path(__file__).parents[3] / "docs/reference/providers.md"
# Of these a body without anything in it can be signed.
PLAIN = [
    name
    for name, provider in PROVIDERS.items()
    if isinstance(provider.scheme, Signature)
    and not (provider.scheme.timestamp and provider.scheme.timestamp.place[0] == "body")
    and provider.event.window_without_id_seconds
]


def test_the_page_is_what_its_generator_writes() -> None:
    """Else run `make docs`."""
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_row_of_the_page_has_as_many_cells_as_its_head(name: str) -> None:
    """A bar in a template does not end its cell."""
    section = PAGE.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]

    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def row_of(provider: Provider, name: str) -> str:
    """Give the text of a preset's row."""
    return dict(rows_of(provider))[name]


@pytest.mark.parametrize("name", PLAIN)
def test_the_window_without_an_id_is_the_one_that_is_said(name: str) -> None:
    """As the gateway remembers it, at the preset's own tolerance."""
    provider = PROVIDERS[name]
    sender = make_sender(provider, b"s" * SECRET_BYTES, NOW)

    window = identify(verify(receive(sender.endpoint, bare(sender)))).window_seconds

    assert f"for {window} seconds" in row_of(provider, "Without an id")


def bare(sender: Sender) -> Sent:
    """Send a body that says nothing."""
    return sender.send(Example("", b"[]", {}), NOW)


@pytest.mark.parametrize(
    ("name", "row", "text"),
    [
        ("aws-sns", "Without an id", "for 7200 seconds"),
        ("dropbox", "Without an id", "every delivery is another event"),
        ("mailgun", "Without an id", "deliveries of an equal `event-data`"),
        ("github", "Time", 'by the body alone with `replay = "strict"`'),
        ("intercom", "Time", "known by its id, which is signed"),
        ("dropbox", "Time", "a repeat is another event"),
        ("meta", "Handshake", "with the endpoint's `verify_token`: answered 200"),
        ("notion", "Handshake", "kept until an operator accepts it"),
        ("sendgrid", "Needs", "the extra `asymmetric`"),
        ("hubspot", "Several events", "the elements of `[]` are an event each"),
        ("gitlab", "Signature", "none: the secret itself, at `header.x-gitlab-token`"),
    ],
)
def test_what_a_preset_says_is_said_in_words(name: str, row: str, text: str) -> None:
    """One of each kind."""
    assert text in row_of(PROVIDERS[name], row)
