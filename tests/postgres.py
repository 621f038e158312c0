"""A real PostgreSQL server for tests: its own data, no network, started and stopped by its id."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import wait_until_sync

START_SECONDS = 30.0
STOP_SECONDS = 10.0
# It refuses to run as root.
USER = "postgres"


def find_binaries() -> Path | None:
    """Find the directory of initdb and postgres, or none where this machine has not got them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path and shutil.which("initdb") else None


@contextmanager
def postgres(binaries: Path) -> Iterator[str]:
    """Have a server within the block.

    Args:
        binaries: Where its programs lie.

    Returns:
        Its URL, by a unix socket.
    """
    # Not below pytest's directories: the server's user may not look into them.
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        _run(binaries / "initdb", "-D", directory / "data", "-U", USER, "-A", "trust", "--no-sync")
        yield from _running(binaries, directory)
    finally:
        shutil.rmtree(directory)


def _running(binaries: Path, directory: Path) -> Iterator[str]:
    log = directory / "server.log"
    options = ["-D", directory / "data", "-k", directory, "-c", "listen_addresses="]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_as_user(), str(binaries / "postgres"), *map(str, options)],
            stdout=output,
            stderr=output,
            cwd=directory,
        )
    try:
        wait_until_sync(
            lambda: "ready to accept connections" in log.read_text("utf-8", "replace"),
            deadline_seconds=START_SECONDS,
            description="PostgreSQL answers",
        )
        yield f"postgresql://{USER}@/postgres?host={directory}"
    finally:
        process.send_signal(signal.SIGINT)  # disconnects everybody and ends
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [*_as_user(), *map(str, command)], capture_output=True, text=True, check=False, cwd="/"
    )

    assert done.returncode == 0, done.stderr


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
