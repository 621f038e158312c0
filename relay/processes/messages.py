"""What parent and child say to each other, and how it goes over their socket.

Messages come in, frames of four bytes of length and MessagePack go out, and back. The socket is
a pair without a name that only the two have, so a message may hold what must not stand in
arguments or environment.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import msgspec

from relay.contract.logs import LogFormat
from relay.metrics.tally import Tally

FINISH_SECONDS = 1.0
_LENGTH_BYTES = 4


class Begin(msgspec.Struct, tag="begin", frozen=True, kw_only=True):
    """To a child, first of all: what it is to be.

    A child reads no file. Were it to, a crash after a careless edit would bring up a process
    that differs from its neighbours, or none at all.

    Args:
        listening: Descriptors of the listening sockets that it has inherited.
        variables: What is to be seen beside its environment.
        toml: The configuration file's content, as JSON, which has no bounds for numbers.
        options: What the command line said.
        secrets: Text of each file that holds a secret, by path.
        log_format: How it logs.
    """

    listening: list[int]
    variables: dict[str, str]
    toml: str
    options: dict[str, Any]
    secrets: dict[str, str]
    log_format: LogFormat

    def __repr__(self) -> str:
        return f"Begin(listening={self.listening})"


class AskTally(msgspec.Struct, tag="ask_tally", frozen=True):
    """To a child: say what you have counted."""


class AskReady(msgspec.Struct, tag="ask_ready", frozen=True):
    """To a child: say whether you could answer 200 now."""


class RunOut(msgspec.Struct, tag="run_out", frozen=True):
    """To a child: accept nothing more, finish what is in flight, and end."""


class Accepting(msgspec.Struct, tag="accepting", frozen=True):
    """To the parent: deliveries are taken from now on."""


class Counted(msgspec.Struct, tag="counted", frozen=True):
    """To the parent: what was counted until now.

    Args:
        tally: All of it, from the start of the process.
        asked: It is an answer; else it is said unasked, in case the child is killed.
    """

    tally: Tally
    asked: bool


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """To the parent: whether a delivery could be answered 200 now."""

    ready: bool


ToChild = Begin | AskTally | AskReady | RunOut
ToParent = Accepting | Counted | Ready
Message = ToChild | ToParent


class Channel:
    """One end of the socket.

    Args:
        reader: Where messages come from.
        writer: Where they go.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = msgspec.msgpack.Decoder(Message)

    @classmethod
    async def over(cls, end: socket.socket) -> "Channel":
        """Talk over an end of a socket pair, which belongs to the channel from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def send(self, message: Message) -> None:
        """Send a message; to nobody where the other end has gone."""
        if self._writer.is_closing():
            return
        frame = msgspec.msgpack.encode(message)
        try:
            self._writer.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)
            await self._writer.drain()
        except OSError:
            pass  # what that means is said by the end of what is received

    async def receive(self) -> Message | None:
        """Wait for the next message; ``None`` where the other end has gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            message: Message = self._decoder.decode(await self._reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError):
            return None
        return message

    async def finish(self) -> None:
        """Say that nothing more comes, and return when the other end has heard all of it."""
        # uvloop says by a RuntimeError that the other end has closed it already.
        with suppress(OSError, TimeoutError, RuntimeError):
            self._writer.write_eof()
            async with asyncio.timeout(FINISH_SECONDS):
                # Were it closed at once, a question that is under way would take the last words
                # with it: a write that fails ends the other side's reading.
                await self._reader.read()
        self.close()

    def close(self) -> None:
        """Let the other end know that this one has gone."""
        self._writer.close()
