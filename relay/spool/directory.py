"""The spool's directory: made, checked, and the names of what lies in it.

Each file is a database ``<name>.db`` (SQLite adds ``-wal`` and ``-shm``) with its ``<name>.lock``.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from relay.contract.errors import ConfigurationFault

DIRECTORY_MODE = 0o700
# What a restart of the machine or of the container takes away.
PASSING = {"tmpfs", "ramfs", "overlay"}
MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Directory:
    """Where spool files lie.

    Args:
        path: The directory.
    """

    path: Path

    def prepare(self) -> None:
        """Make it where there is none, for this user only, and see whether it can be written.

        Raises:
            ConfigurationFault: It cannot be used; the sentence names it.
        """
        with self._explained():
            self.make()
            self._try_out()

    def check(self) -> None:
        """See whether `prepare` would do, and make nothing that stays.

        Whoever looks may be another user than the gateway's, whom a directory would shut out.

        Raises:
            ConfigurationFault: It would not; the sentence names it.
        """
        with self._explained():
            if os.path.lexists(self.path):
                self._try_out()
            elif not (above := self._nearest()).is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "")
            elif not os.access(above, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "")

    def make(self) -> None:
        """Make it where there is none, for this user only.

        Raises:
            OSError: It cannot be made.
        """
        self.path.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)

    def database(self, name: str) -> Path:
        """Give the path of a file's database."""
        return self.path / f"{name}.db"

    def lock(self, name: str) -> Path:
        """Give the path of a file's lock."""
        return self.path / f"{name}.lock"

    def names(self) -> list[str]:
        """Name every file of which there is a database or a lock, the oldest first.

        Raises:
            OSError: It cannot be read.
        """
        ages: dict[str, float] = {}
        for entry in os.scandir(self.path):
            name, _, ending = entry.name.rpartition(".")
            if name and ending in {"db", "lock"}:
                with suppress(FileNotFoundError):  # removed by its owner a moment ago
                    ages[name] = min(ages.get(name, float("inf")), entry.stat().st_mtime)
        return sorted(ages, key=lambda name: (ages[name], name))

    def new_name(self) -> str:
        """Make a name that no other file has."""
        return secrets.token_hex(8)

    def keep_names(self) -> None:
        """Have the names of its files survive a power cut.

        Raises:
            OSError: The disk does not take it.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self) -> int:
        """Say how much room its disk has for this user, or will have once it is made.

        Raises:
            OSError: It cannot be asked.
        """
        return shutil.disk_usage(self._nearest()).free

    def filesystem(self, mounts: Path = MOUNTS) -> str | None:
        """Name the kind of file system it lies on, where the system says so.

        Args:
            mounts: Lists what is mounted where.
        """
        try:
            listed = mounts.read_text("utf-8", "replace").splitlines()
        except OSError:
            return None
        real = self.path.resolve()
        kinds = {place: kind for place, kind in map(_mount, listed) if real.is_relative_to(place)}
        return kinds[max(kinds, key=lambda place: len(place.parts))] if kinds else None

    def _nearest(self) -> Path:
        """Give it, or what is nearest above it where there is none."""
        path = self.path.absolute()
        return next(each for each in (path, *path.parents) if os.path.lexists(each))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = os.strerror(error.errno) if error.errno else type(error).__name__
            fault = (
                f"spool.directory (RELAY_SPOOL__DIRECTORY): {self.path} cannot be used: {said}; "
                "a directory is needed that this user may write to"
            )
            raise ConfigurationFault([fault]) from None

    def _try_out(self) -> None:
        probe = self.path / f".probe-{secrets.token_hex(4)}"
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        probe.unlink()


def _mount(line: str) -> tuple[Path, str]:
    """Read where a line of mountinfo mounts what; of two on one place the later one counts.

    Source: proc_pid_mountinfo(5): fields 5 and, after the hyphen, 1; spaces as octal escapes.
    """
    before, _, after = line.partition(" - ")
    place = before.split(" ")[4]
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(escape, character)
    return Path(place), after.partition(" ")[0]
