"""Judges what options say of an endpoint at Unipile, each by itself: values that it takes go out.

Only what is sure to be wrong is refused here. Which names of events there are, and which accounts,
is for Unipile to say.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook;
https://github.com/unipile/unipile-python, docs/WebhooksApi.md.
"""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import typer

from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.unipile.event_names import KNOWN

MOST_CHARACTERS = 255
# As options call what Unipile calls otherwise.
NAMES = {"trigger_events": "events", "account_ids": "accounts"}

Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event", metavar="TYPE", help="A type, or * in it for several; may be repeated. [all]"
    ),
]
Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account",
        metavar="ACCOUNT",
        help="Only events of this one, acc_…; may be repeated. [all, also those to come]",
    ),
]
Description = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What it is for, in your own words.")
]


def event_names(given: Sequence[str]) -> list[str]:
    """Give the names of events that are meant, each once.

    Args:
        given: Names, known or not, and patterns in which ``*`` stands for any characters; none for
            all that are known.

    Raises:
        CommandFailed: A pattern fits no name that is known, or one is empty.
    """
    found: dict[str, None] = {}
    for each in given or KNOWN:
        found.update(dict.fromkeys(_meant(each.strip())))
    return list(found)


def account_ids(given: Sequence[str]) -> tuple[str, ...]:
    """Give the accounts that are meant, each once.

    Raises:
        CommandFailed: One is empty: it may be a variable that is not set, and to Unipile no
            account is all accounts.
    """
    if not all(each.strip() for each in given):
        raise _wrong("The id of an account must not be empty.")
    return tuple(dict.fromkeys(given))


def checked_url(text: str) -> str:
    """Give a URL to which Unipile can deliver.

    Raises:
        CommandFailed: It is none, or too long for Unipile.
    """
    try:
        url = urlsplit(text)
        is_one = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        is_one = False
    if not is_one or not text.isascii() or not text.isprintable() or " " in text:
        raise _wrong(f"{printable(text, 200)} is no URL such as https://hooks.example.com.")
    if url.username is not None or url.fragment:
        raise _wrong(
            "The URL must have no user, no password and no #: it is where Unipile delivers to, and "
            "shows it to whoever has the API key."
        )
    return _short("The URL", text)


def checked_description(text: str) -> str:
    """Give a description that Unipile takes.

    Raises:
        CommandFailed: It is too long.
    """
    return _short("The description", text)


def _meant(name: str) -> Sequence[str]:
    if not name:
        raise _wrong("The name of an event must not be empty.")
    if "*" not in name:
        return [name]
    pattern = re.compile(".*".join(map(re.escape, name.split("*"))))
    fitting = [known for known in KNOWN if pattern.fullmatch(known)]
    if not fitting:
        raise _wrong(
            f"No type of event that is known fits {printable(name, 80)}; known: {', '.join(KNOWN)}."
        )
    return fitting


def _short(what: str, text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise _wrong(
            f"{what} has {len(text)} characters, and Unipile takes {MOST_CHARACTERS} at most."
        )
    return text


def _wrong(message: str) -> CommandFailed:
    return CommandFailed(message, exit_code=WRONG_USAGE)
