"""A handler's process as the worker sees it: started, asked, killed."""

import asyncio
import os
import signal
import socket
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from consumers.isolate.wire import framed, read_frame
from relay.contract.errors import RelayError

# How long an answer may stay on its way from a process that has ended.
LAST_WORDS_SECONDS = 0.5

# Without -P the current directory could put its own modules before those of Python; where the
# worker looks for modules is the process's path too.
_BEGIN = (
    "import sys; fd, parent, *more = sys.argv[1:]; sys.path += more; "
    "from consumers.isolate.program import main; main(int(fd), int(parent))"
)


class ProcessDied(RelayError):
    """A handler's process has ended in the middle of a run."""


class Child:
    """One process, which answers one message at a time.

    Args:
        process: The process.
        reader: What it says.
        writer: Where it listens.
    """

    def __init__(self, process: Process, reader: StreamReader, writer: StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with; below 0 it is the signal, and none while it runs."""
        return self._process.returncode

    @property
    def is_usable(self) -> bool:
        """Whether it can be asked something."""
        return self._process.returncode is None and not self._writer.is_closing()

    async def ask(self, message: bytes) -> bytes:
        """Send a message, and wait for the answer.

        Raises:
            ProcessDied: There will be none.
        """
        answer = asyncio.ensure_future(self._exchange(message))
        death = asyncio.ensure_future(self._process.wait())
        try:
            # A process of its own making may hold the other end of the socket open.
            await asyncio.wait({answer, death}, return_when=asyncio.FIRST_COMPLETED)
            async with asyncio.timeout(None if not death.done() else LAST_WORDS_SECONDS):
                return await answer
        except (OSError, EOFError) as error:  # among them the time-out and the early end
            raise ProcessDied("no answer") from error
        finally:
            answer.cancel()
            death.cancel()

    def kill(self) -> None:
        """End it on the spot, with all processes that it has started."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._writer.close()

    async def end(self, patience_seconds: float) -> None:
        """Let it end by itself, and kill it where it does not.

        Args:
            patience_seconds: How long it may take.
        """
        self._writer.close()
        if not await self._ended_within(patience_seconds):
            self.kill()
            # Even then the kernel may keep one that waits for a device.
            await self._ended_within(patience_seconds)

    async def _ended_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    async def _exchange(self, message: bytes) -> bytes:
        self._writer.write(framed(message))
        await self._writer.drain()
        return await read_frame(self._reader)


async def start_child() -> Child:
    """Start a process that waits for its first message.

    It is of a group of its own: Ctrl-C in the terminal does not reach it, and it can be killed
    with all that it has started.

    Raises:
        OSError: It cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        command = (sys.executable, "-P", "-c", _BEGIN, str(theirs.fileno()), str(os.getpid()))
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                *module_path(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            writer.close()
            raise
    return Child(process, reader, writer)


def module_path() -> list[str]:
    """Say where this process looks for modules, wherever it was started."""
    return [str(Path(place).absolute()) for place in sys.path]
