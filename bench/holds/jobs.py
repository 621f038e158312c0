"""Work in a process of its own: a function goes out, what it gives comes back.

The work can say how far it is and can be told something while it runs. A job ends with its
block, by its process id, whatever state it is in.
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from bench.failures import JobFailed

ResultT = TypeVar("ResultT")

# As long as a busy machine may take to start a process.
HEARD_SECONDS = 90.0
_END_SECONDS = 5.0


class Job(Generic[ResultT]):
    """Work under way.

    Args:
        name: What it is called in messages.
        channel: Our end of the pipe.
    """

    def __init__(self, name: str, channel: Connection) -> None:
        self._name = name
        self._channel = channel
        self._result: list[ResultT] = []
        self._said: object = None

    def tell(self, what: object) -> None:
        """Hand something to the work."""
        self._channel.send(what)

    def said(self) -> object:
        """Give what the work said last, nothing if it has not yet.

        Raises:
            JobFailed: It raised, or its process ended without a result.
        """
        self._listen(0.0)
        return self._said

    def heard(self, seconds: float = HEARD_SECONDS) -> object:
        """Wait until the work has said something, and give it.

        Raises:
            JobFailed: It did not in this time.
        """
        deadline = time.monotonic() + seconds
        while self.said() is None:
            if time.monotonic() > deadline:
                raise JobFailed(f"{self._name}: nothing heard within {seconds} s")
            self._listen(0.05)
        return self._said

    def is_done(self) -> bool:
        """Tell whether there is a result."""
        self._listen(0.0)
        return bool(self._result)

    def result(self, seconds: float) -> ResultT:
        """Wait for the result.

        Raises:
            JobFailed: It raised, or there is none in this time.
        """
        deadline = time.monotonic() + seconds
        while not self.is_done():
            if time.monotonic() > deadline:
                raise JobFailed(f"{self._name}: no result within {seconds} s")
            self._listen(0.05)
        return self._result[0]

    def _listen(self, seconds: float) -> None:
        while not self._result and self._channel.poll(seconds):
            try:
                kind, what = self._channel.recv()
            except EOFError:
                raise JobFailed(f"{self._name} ended without a result") from None
            if kind == "failed":
                raise JobFailed(f"{self._name} failed:\n{what}")
            if kind == "done":
                self._result.append(what)
            else:
                self._said = what
            seconds = 0.0


@contextmanager
def job(function: Callable[..., ResultT], *arguments: object) -> Iterator[Job[ResultT]]:
    """Run a function in a process of its own within the block.

    Args:
        function: Of a module; takes a `Channel`, then the arguments.
        arguments: What can be pickled.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    name = function.__name__
    process = context.Process(
        target=_work, args=(theirs, function, arguments), name=name, daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield Job(name, ours)
    finally:
        ours.close()
        process.terminate()
        process.join(_END_SECONDS)
        process.kill()
        process.join()


class Channel:
    """The work's end of the pipe.

    Args:
        connection: The pipe.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def say(self, what: object) -> None:
        """Say how far the work is."""
        self._connection.send(("said", what))

    def fileno(self) -> int:
        """Give what becomes readable when there is something to `hear`."""
        return self._connection.fileno()

    def hear(self) -> Any:  # noqa: ANN401 - what the other side sent
        """Give what the job was told.

        Raises:
            EOFError: The other side is gone.
        """
        return self._connection.recv()


def _work(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # A Ctrl-C is for the benchmark, which then ends its jobs in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):
        try:
            done = ("done", function(Channel(connection), *arguments))
        except Exception:  # noqa: BLE001 - said where somebody reads it
            done = ("failed", traceback.format_exc())
        connection.send(done)
