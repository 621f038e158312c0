"""What a parent and a worker process tell each other: words of one byte, over a socket pair.

Not by signals: some systems send SIGTERM to every process of a service, and a child could not
tell its parent's word from theirs. The end of the line says that the other one is gone.
"""

import asyncio
import socket
from contextlib import suppress

# To the parent: the worker is loaded, and its loop runs.
UP = b"u"
# To the child: end in order; end at once.
END = b"e"
AT_ONCE = b"a"


class Line:
    """One end of it.

    Args:
        reader: Where words come from.
        writer: Where they go.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Line":
        """Talk over an end of a socket pair, which belongs to the line from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def say(self, word: bytes) -> None:
        """Say a word; to nobody where the other one has gone."""
        with suppress(OSError, RuntimeError):
            self._writer.write(word)

    async def hear(self) -> bytes:
        """Wait for the next word; an empty one where the other one has gone."""
        try:
            return await self._reader.read(1)
        except OSError:
            return b""

    def close(self) -> None:
        """Let the other one know that this one has gone."""
        self._writer.close()
