"""The data directory: for its owner only, and for one embedded server at a time."""

import fcntl
import os
from pathlib import Path

from relay.contract.errors import RelayError
from relay.contract.surroundings import DEV_SECRET_FILE, DEV_URL_FILE

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600


class DirectoryUnusable(RelayError):
    """The data directory cannot be made, or belongs to something else."""


class DirectoryInUse(DirectoryUnusable):
    """Another process holds the data directory."""


class DataDirectory:
    """Owns a data directory between `lock` and `unlock`.

    Args:
        path: Where it is; made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.data = self.path / "data"
        self.log = self.path / "server.log"
        self.url_file = self.path / DEV_URL_FILE
        self.secret_file = self.path / DEV_SECRET_FILE
        self._lock_file = self.path / "lock"
        self._locked: int | None = None

    @property
    def lock_descriptor(self) -> int | None:
        """The open lock; a child that inherits it holds the directory as long as it lives."""
        return self._locked

    def lock(self) -> None:
        """Make the directory, and take it for this process.

        Raises:
            DirectoryUnusable: It is not ours to use.
            DirectoryInUse: Another process uses it.
        """
        if self._locked is not None:
            return
        try:
            self._make()
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise DirectoryUnusable(
                f"The data directory {self.path} cannot be used: {error.strerror}. "
                "Choose another one with --data-dir."
            ) from None
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._locked = descriptor

    def unlock(self) -> None:
        """Give the directory free."""
        if self._locked is not None:
            os.close(self._locked)
            self._locked = None

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only its owner can read; a reader sees all of it or none."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(path)

    def _make(self) -> None:
        self.path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        if not self._is_ours():
            raise DirectoryUnusable(
                f"{self.path} holds other things and is no data directory of the relay. "
                "Choose an empty or a new one with --data-dir."
            )
        # Secrets and events lie here.
        self.path.chmod(PRIVATE_DIRECTORY)
        self.data.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        ignored = self.path / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")

    def _is_ours(self) -> bool:
        """Never change the mode of somebody's home directory."""
        return self._lock_file.exists() or not any(self.path.iterdir())

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._in_use(descriptor) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def _in_use(self, descriptor: int) -> DirectoryInUse:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        return DirectoryInUse(
            f"The data directory {self.path} is in use by another `relay dev` "
            f"(process {holder or 'unknown'}). Stop that one, or give this one a directory of its "
            "own with --data-dir and other ports."
        )
