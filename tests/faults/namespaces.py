"""Two networks of this machine's own, with one cable between that can be pulled out.

What runs in one sees only itself and, while the cable is in, the other: the addresses exist
nowhere else. Needs root.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

HERE, THERE = "10.213.0.1", "10.213.0.2"


@dataclass(frozen=True, slots=True)
class Networks:
    """Both.

    Args:
        here: The name of the first, whose address is `HERE`.
        there: The name of the second, whose address is `THERE`.
    """

    here: str
    there: str

    def cut(self) -> None:
        """Pull the cable out: nobody hears of it, packets come to nothing."""
        _ip("-n", self.here, "link", "set", "cable", "down")

    def heal(self) -> None:
        """Put it in again."""
        _ip("-n", self.here, "link", "set", "cable", "up")


def run_in(name: str) -> list[str]:
    """Give what a command begins with that is to run in a network."""
    return ["ip", "netns", "exec", name]


@contextmanager
def two_networks() -> Iterator[Networks]:
    """Have them within the block; what still runs in them at its end is killed."""
    names = [f"rf{os.getpid()}{end}" for end in "ab"]
    with ExitStack() as made:
        for name in names:
            _ip("netns", "add", name)
            made.callback(_remove, name)
        _cable(*names)
        yield Networks(*names)


def _remove(name: str) -> None:
    # A network lives on, without a name, as long as anything runs in it.
    running = subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True)
    for pid in running.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "del", name)


def _cable(here: str, there: str) -> None:
    _ip("-n", here, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", there)
    for name, address in ((here, HERE), (there, THERE)):
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
        _ip("-n", name, "link", "set", "cable", "up")
        _ip("-n", name, "link", "set", "lo", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
