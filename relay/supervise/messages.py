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

from relay.contract.ready import Ready as IsReady
from relay.contract.tally import Tally

FINISH_SECONDS = 1.0
_LENGTH_BYTES = 4


class AskTally(msgspec.Struct, tag="ask_tally", frozen=True):
    """To a child: say what you have counted."""


class AskReady(msgspec.Struct, tag="ask_ready", frozen=True):
    """To a child: say whether you could do your work now."""


class RunOut(msgspec.Struct, tag="run_out", frozen=True):
    """To a child: accept nothing more, finish what is in flight, and end."""


class AtOnce(msgspec.Struct, tag="at_once", frozen=True):
    """To a child that ends: give what is in flight no more time."""


class Accepting(msgspec.Struct, tag="accepting", frozen=True):
    """To the parent: work is taken from now on."""


class Counted(msgspec.Struct, tag="counted", frozen=True):
    """To the parent: what was counted until now.

    Args:
        tally: All of it, from the start of the process.
        asked: It is an answer; else it is said unasked, in case the child is killed.
    """

    tally: Tally
    asked: bool


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """To the parent: whether it could do its work now."""

    ready: IsReady


Message = AskTally | AskReady | RunOut | AtOnce | Accepting | Counted | Ready


def framed(message: msgspec.Struct) -> bytes:
    """Write a message down as it goes over the socket."""
    frame = msgspec.msgpack.encode(message)
    return len(frame).to_bytes(_LENGTH_BYTES, "big") + frame


class Channel:
    """One end of the socket.

    Args:
        reader: Where messages come from.
        writer: Where they go.
        beside: A kind of message that may come beside those that every program has.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        beside: type[msgspec.Struct] | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        kinds: Any = Message if beside is None else Message | beside
        self._decoder = msgspec.msgpack.Decoder(kinds)

    @classmethod
    async def over(
        cls, end: socket.socket, beside: type[msgspec.Struct] | None = None
    ) -> "Channel":
        """Talk over an end of a socket pair, which belongs to the channel from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end), beside)

    async def send(self, message: msgspec.Struct) -> None:
        """Send a message; to nobody where the other end has gone."""
        self.say(message)
        with suppress(OSError):  # what that means is said by the end of what is received
            await self._writer.drain()

    def say(self, message: msgspec.Struct) -> None:
        """Do the same without waiting until there is room for more: for a few words."""
        # uvloop says by a RuntimeError that the other end has closed it already.
        if not self._writer.is_closing():
            with suppress(OSError, RuntimeError):
                self._writer.write(framed(message))

    async def receive(self) -> msgspec.Struct | None:
        """Wait for the next message; ``None`` where the other end has gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            message: msgspec.Struct = self._decoder.decode(await self._reader.readexactly(length))
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
