"""Asks on a terminal; where there is none, nothing is asked."""

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from relay.contract.display import tell
from relay.contract.printable import printable

Read = TypeVar("Read")


def on_terminal() -> bool:
    """Say whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(text: str, read: Callable[[str], Read], default: str = "") -> Read:
    """Ask until the answer can be used.

    Args:
        text: The question.
        read: Takes the answer; a `ValueError` says what is wrong with it.
        default: What an empty answer means; without one there must be an answer.
    """
    while True:
        typed = str(typer.prompt(text, default=default or None)).strip()
        try:
            return read(typed)
        except ValueError as fault:
            tell(f"  {printable(fault)}")


def ask_hidden(text: str, check: Callable[[str], None]) -> str:
    """Ask for a secret, which is not shown while it is typed; empty where there is none to give."""
    while True:
        typed = str(typer.prompt(text, default="", show_default=False, hide_input=True)).strip()
        try:
            if typed:
                check(typed)
        except ValueError as fault:
            tell(f"  {printable(fault)}")
            continue
        return typed


def confirm(text: str) -> bool:
    """Ask whether to go on."""
    return typer.confirm(text, default=True)
