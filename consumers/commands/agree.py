"""Asks a person before something is done that cannot be undone."""

import sys
from typing import Annotated

import typer

from relay.contract.explain import WRONG_USAGE, CommandFailed

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]


def agree(question: str, *, yes: bool) -> None:
    """Go on only if a person, or ``--yes``, agrees.

    Args:
        question: What is about to be done.
        yes: Whether that was said beforehand.

    Raises:
        CommandFailed: Nobody has agreed.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{question} Nobody can be asked here: add --yes, or see first with --dry-run",
            exit_code=WRONG_USAGE,
        )
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was changed")
