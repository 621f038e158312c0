"""Asks a person before many rows are accepted at once."""

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
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandFailed(
            "Nothing was done: there is nobody to ask. Look with `relay rejections list`, and add "
            "--yes.",
            exit_code=WRONG_USAGE,
        )
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was done.")
