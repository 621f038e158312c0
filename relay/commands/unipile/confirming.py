"""Asks a person before something is done at Unipile."""

import sys
from typing import Annotated

import typer

from relay.contract.display import warn
from relay.contract.explain import WRONG_USAGE, CommandFailed

Yes = Annotated[bool, typer.Option("--yes", help="Without asking.")]


def make_sure(lines: list[str], question: str, *, yes: bool, must: bool) -> None:
    """Return where it may be done.

    Args:
        lines: What is about to be done, safe to print.
        question: Whether that is meant.
        yes: It was said beforehand.
        must: It cannot be taken back, so it is not done where nobody can be asked.

    Raises:
        CommandFailed: Nobody can be asked, or the answer was no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        if must:
            raise CommandFailed(
                "Nothing was done: there is nobody to ask. Add --yes.", exit_code=WRONG_USAGE
            )
        return
    for line in lines:
        warn(line)
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was done.")
