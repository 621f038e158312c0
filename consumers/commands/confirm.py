"""Asks a person before something is done that cannot be taken back."""

import sys

import typer

from relay.contract.explain import WRONG_USAGE, CommandFailed


def confirm(question: str, *, yes: bool) -> None:
    """Return where it may be done.

    Args:
        question: What would be done, as a question.
        yes: It was said beforehand.

    Raises:
        CommandFailed: Nobody can be asked, or the answer was no.
    """
    if yes:
        return
    if not is_terminal():
        raise CommandFailed(
            "Nothing was done: there is nobody to ask. Look with --dry-run, and add --yes.",
            exit_code=WRONG_USAGE,
        )
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was done.")


def is_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()
