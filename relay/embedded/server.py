"""Runs the embedded server: started when its directory is ours, stopped by its own SHUTDOWN."""

import asyncio
import errno
import secrets
import socket
from asyncio.subprocess import Process
from pathlib import Path

from redis.exceptions import BusyLoadingError

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, connect
from relay.contract.errors import RelayError
from relay.contract.printable import printable
from relay.embedded.binary import find_server
from relay.embedded.configuration import HOST, configuration, memory_share
from relay.embedded.directory import PRIVATE_FILE, DataDirectory, DirectoryInUse
from relay.embedded.mend import repair_advice
from relay.supervise import KeptProcess, start_child

# As long as a server that does not load anything may take to answer.
UP_SECONDS = 30.0
POLL_SECONDS = 0.02
GRACE_SECONDS = 8.0
SHUTDOWN_SECONDS = 2.0
# A server whose parent was killed needs a moment to end and give the directory free.
LOCK_WAIT_SECONDS = 3.0
LOG_KEPT_BYTES = 1024 * 1024
LOG_LINES_SHOWN = 6


class ServerDidNotStart(RelayError):
    """The server ended or did not answer; the message holds its last words and what to do."""


class EmbeddedServer:
    """A server of our own on loopback, with a password that only its owner can read.

    ``start`` and ``stop`` may come in any order and twice.

    Args:
        directory: Where it keeps its data; locked from start to stop.
        port: Where it listens.
    """

    def __init__(self, directory: DataDirectory, port: int) -> None:
        self._directory = directory
        self._port = port
        # One for all its restarts, so that clients come back to it.
        self._password = secrets.token_urlsafe(24)
        self._binary = Path()
        self._changing = asyncio.Lock()
        self._running = False
        self._kept = KeptProcess(
            "server",
            self._launch,
            wait_until_up=self._wait_until_up,
            ask_to_end=self._shut_down,
            grace_seconds=GRACE_SECONDS,
        )

    @property
    def url(self) -> str:
        """Its whole URL, password included."""
        return f"redis://:{self._password}@{HOST}:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._kept.pid

    async def start(self) -> None:
        """Start the server, and return when it answers and its URL is in the directory.

        Raises:
            NoServer: No server program is installed.
            DirectoryUnusable: The data directory is not ours.
            DirectoryInUse: Another process uses it.
            ServerDidNotStart: The port is taken, or the server ended.
        """
        async with self._changing:
            if self._running:
                return
            self._binary = await asyncio.to_thread(find_server)
            await self._lock()
            try:
                self._directory.url_file.unlink(missing_ok=True)
                self._check_port()
                await self._kept.start()
                self._directory.write_private(self._directory.url_file, f"{self.url}\n")
                self._running = True
            finally:
                if not self._running:
                    await self._clear()

    async def stop(self, within_seconds: float = GRACE_SECONDS) -> None:
        """Return when the server has ended and the directory is free.

        Args:
            within_seconds: It is killed after this long, and after its grace period at the latest.
        """
        async with self._changing:
            if self._running:
                self._running = False
                await self._clear(within_seconds)

    async def failed(self) -> RelayError:
        """Wait until the server cannot be kept running, and say why."""
        return await self._kept.failed()

    async def _lock(self) -> None:
        deadline = asyncio.get_running_loop().time() + LOCK_WAIT_SECONDS
        while True:
            try:
                self._directory.lock()
            except DirectoryInUse:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def _clear(self, within_seconds: float = GRACE_SECONDS) -> None:
        # The URL first: nobody should begin to use what is about to go.
        self._directory.url_file.unlink(missing_ok=True)
        await self._kept.stop(within_seconds)
        self._directory.unlock()

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self._port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise ServerDidNotStart(
                    f"Port {self._port} on {HOST} is in use by another program, so the embedded "
                    "server cannot have it. End that one, or choose another with --redis-port."
                ) from None

    async def _launch(self) -> Process:
        log = self._directory.log
        if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
            log.unlink()
        log.touch(mode=PRIVATE_FILE)
        lock = self._directory.lock_descriptor
        with log.open("ab") as output:
            return await start_child(
                # By standard input: a password never stands in the process list.
                [self._binary, "-"],
                stdin=configuration(
                    port=self._port,
                    password=self._password,
                    data=self._directory.data,
                    max_memory_bytes=memory_share(),
                ),
                output=output,
                # If we are killed, the directory stays locked until the server has ended.
                inherit=[] if lock is None else [lock],
            )

    async def _wait_until_up(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + UP_SECONDS
        client = connect(self.url, role="supervisor")
        try:
            while process.returncode is None:
                try:
                    await client.ping()
                except BusyLoadingError:
                    deadline = loop.time() + UP_SECONDS  # it reads its file: that may take long
                except UNKNOWN_OUTCOME:
                    if loop.time() > deadline:
                        raise ServerDidNotStart(self._why("did not answer")) from None
                else:
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await client.aclose()
        raise ServerDidNotStart(self._why(f"ended with {process.returncode}"))

    async def _shut_down(self, process: Process) -> None:
        client = connect(self.url, role="supervisor")
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                # It never answers SHUTDOWN: whether it listens at all is asked before.
                await client.ping()
                await client.shutdown()
                await process.wait()
        except (RedisError, *UNKNOWN_OUTCOME):
            pass  # it did not listen yet, or not any more, or refused
        finally:
            await client.aclose()
        if process.returncode is None:
            process.terminate()

    def _why(self, what: str) -> str:
        text = self._directory.log.read_text("utf-8", "replace")
        lines = [printable(line) for line in text.splitlines() if line.strip()][-LOG_LINES_SHOWN:]
        said = "\n".join(f"  {line}" for line in lines)
        reason = f"The embedded server {what}. Its last words ({self._directory.log}):\n{said}"
        return reason + repair_advice(said, self._directory.data, self._binary)
