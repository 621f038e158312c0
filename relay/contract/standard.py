"""Gives a program the standard streams that whoever started it has closed.

Some supervisors do. Python then has none there, which logging and printing do not expect; the next
file or connection that is opened gets the number of one; and libuv aborts where it meets that.
"""

import os
import sys


def open_standard_streams() -> None:
    """Open those that are closed, on nothing; before anything else is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Takes the lowest number that is free.
            os.open(os.devnull, os.O_RDWR)
    # A program that gives Python a stream of its own keeps it.
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open
