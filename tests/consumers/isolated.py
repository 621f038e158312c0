"""Handlers that run in a process of their own: it imports this module, so they stand at its top."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from consumers import Event, GiveUp


class Passing(Exception):
    """What a policy may retry."""


def note(event: Event) -> None:
    """Write down, where the body says, which process runs this and at which attempt."""
    with Path(event.data.decode()).open("a", encoding="utf-8") as book:
        book.write(f"{event.id} {event.attempt} {os.getpid()} {os.getppid()}\n")


async def note_in_loop(event: Event) -> None:
    """Do the same in a coroutine."""
    await asyncio.sleep(0)
    note(event)


async def sleep_in_loop(event: Event) -> None:
    """Wait for ever, and let others work."""
    note(event)
    await asyncio.Event().wait()


def hang(event: Event) -> None:
    """Take all its processor can give, and never end."""
    note(event)
    while True:
        pass


def hang_in_native_code(event: Event) -> None:
    """Never end, in a way that no thread of the interpreter can notice."""
    note(event)
    ctypes.PyDLL(None).pause()  # holds the interpreter's lock
    raise AssertionError("a signal came")


def leave_a_program_and_hang(event: Event) -> None:
    """Start another program, and wait for it for ever."""
    program = os.posix_spawn("/bin/sleep", ["sleep", "1000"], os.environ)
    Path(event.data.decode()).write_text(str(program), "utf-8")
    os.waitpid(program, 0)


def crash(event: Event) -> None:
    """Take the whole process along, as faulty native code does."""
    ctypes.string_at(0)


def leave(event: Event) -> None:
    """End the process behind Python's back."""
    os._exit(7)


def hang_at_first(event: Event) -> None:
    """Hang the first time, and not again."""
    book = Path(event.data.decode())
    first = not book.exists()
    note(event)
    if first:
        time.sleep(1000)


def leave_at_first(event: Event) -> None:
    """End the process the first time, and not again."""
    book = Path(event.data.decode())
    first = not book.exists()
    note(event)
    if first:
        os._exit(7)


def leave_politely(event: Event) -> None:
    """Ask Python to end."""
    sys.exit(3)


def fork_and_leave(event: Event) -> None:
    """Leave a process behind that holds all that this one has open, until a file is there."""
    if os.fork() == 0:
        while not Path(event.data.decode()).exists():
            time.sleep(0.01)
        os._exit(0)
    os._exit(7)


def fail(event: Event) -> None:
    """Fail, with what UTF-8 cannot write."""
    raise ValueError("no \ud800")


def fail_passing(event: Event) -> None:
    """Fail with what a policy may retry."""
    raise Passing("later")


async def give_up(event: Event) -> None:
    """Say that it is useless."""
    raise GiveUp("useless")


async def use_the_store(event: Event) -> None:
    """Ask for what only the worker has."""
    event.once("charge")


def be_interrupted(event: Event) -> None:
    """Get the signals that would end a worker, and go on."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    note(event)


def wait_for_two(event: Event) -> None:
    """Return when two processes have come here."""
    note(event)
    while len(set(Path(event.data.decode()).read_text("utf-8").splitlines())) < 2:
        time.sleep(0.01)


@dataclass
class Place:
    """A payload: where notes go, as a body has it."""

    path: str


def note_payload(event: Event, place: Place) -> None:
    """Write down, where the payload says, what is known of the run."""
    known = f"{event.id} {event.attempt} {event.first_seen} {event.fence} {event.tag}"
    Path(place.path).write_text(known, "utf-8")


class Outer:
    """Has handlers that are not found by their name, or take too much."""

    def method(self, event: Event) -> None:
        """Take part in an object."""

    @staticmethod
    def alone(event: Event) -> None:
        """Need no object."""


def two(event: Event, other: object) -> None:
    """Take more than an event."""
